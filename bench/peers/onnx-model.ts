// An ONNX model of one MatMul node as protobuf bytes, written by hand: a field is its number and wire type, then a varint
// (type 0) or a length and that many bytes (type 2). Field numbers are those of onnx.proto.
import type { GemmShape } from '../../src/spec/spec.ts';

const FLOAT = 1;
const IR_VERSION = 8;
const OPSET = 13;

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, content: readonly number[]): number[] => [...varint(field * 8 + 2), ...varint(content.length), ...content];
const text = (field: number, value: string): number[] => bytes(field, [...new TextEncoder().encode(value)]);

/** ValueInfoProto: a name, and an f32 tensor of this shape. */
function value(name: string, shape: readonly number[]): number[] {
  const dimensions = shape.flatMap((size) => bytes(1, number(1, size)));
  return [...text(1, name), ...bytes(2, bytes(1, [...number(1, FLOAT), ...bytes(2, dimensions)]))];
}

/** ModelProto of c = MatMul(a, b), a m × k, b k × n. */
export function matMulModel({ m, n, k }: GemmShape): Uint8Array {
  const node = [...text(1, 'a'), ...text(1, 'b'), ...text(2, 'c'), ...text(4, 'MatMul')];
  const graph = [...bytes(1, node), ...text(2, 'gemm'), ...bytes(11, value('a', [m, k])), ...bytes(11, value('b', [k, n])), ...bytes(12, value('c', [m, n]))];
  return Uint8Array.from([...number(1, IR_VERSION), ...bytes(7, graph), ...bytes(8, [...text(1, ''), ...number(2, OPSET)])]);
}
