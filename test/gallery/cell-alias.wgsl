// Pointers for everything: to the array, to one of its elements, to a local.
@group(0) @binding(0) var<storage, read>       inA  : array<f32>;
@group(0) @binding(1) var<storage, read>       inB  : array<f32>;
@group(0) @binding(2) var<storage, read_write> outC : array<f32>;
@group(0) @binding(3) var<uniform>             mnk  : vec4<u32>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) g : vec3<u32>)
{
	let d = &mnk;
	if (g.x >= (*d).y) { return; }

	// first row of the pair: pointer to one element
	let i = g.y * 2u;
	var acc = 0.0;
	let sum = &acc;
	for (var p = 0u; p < (*d).z; p++) { *sum += inA[i * mnk.z + p] * inB[p * mnk.y + g.x]; }
	let cell = &outC[i * mnk.y + g.x];
	*cell = *sum;

	// second row: pointer to the array, then an element of it through the pointer
	if (i + 1u < mnk.x) {
		*sum = 0.0;
		for (var p = 0u; p < (*d).z; p++) { *sum += inA[(i + 1u) * mnk.z + p] * inB[p * mnk.y + g.x]; }
		let whole = &outC;
		let again = whole;
		(*again)[(i + 1u) * mnk.y + g.x] = acc;
	}
}
