// A process of its own: compiles WGSL with Dawn's null backend, which has every feature and runs nothing. In: JSON,
// [{label, code, entry}]; out: behind whatever Dawn itself prints, a line of JSON, the list of complaints.
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
// Kept, or it is collected with its threads in the middle of their work.
globalThis.dawn = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const adapter = await globalThis.dawn.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] });
const complaints = [];
for (const { label, code, entry } of JSON.parse(Buffer.concat(chunks).toString())) {
  const module = device.createShaderModule({ code });
  for (const { type, lineNum, message } of (await module.getCompilationInfo()).messages) if (type === 'error') complaints.push(`${label}: line ${lineNum}: ${message}`);
  await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: entry } }).catch((error) => complaints.push(`${label}: ${error.message}`));
}
// Dawn's threads do not survive an orderly end.
process.stdout.write(`\ncomplaints: ${JSON.stringify(complaints)}\n`, () => process.kill(process.pid, 'SIGKILL'));
