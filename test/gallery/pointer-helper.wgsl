requires unrestricted_pointer_parameters;

// The output travels as a pointer: from the entry to write_row, from there to put.

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> product: array<f32>;
@group(0) @binding(3) var<uniform> size: vec3u;

const WIDTH = 3u;

fn put(target_: ptr<storage, array<f32>, read_write>, position: u32, value: f32) {
  (*target_)[position] = value;
}

fn write_row(into: ptr<storage, array<f32>, read_write>, row: u32, first: u32, values: ptr<function, array<f32, WIDTH>>) {
  for (var i = 0u; i < WIDTH && first + i < size.y; i++) {
    put(into, row * size.y + first + i, (*values)[i]);
  }
}

fn inner(row: u32, column: u32) -> f32 {
  var total = 0.0;
  for (var p = 0u; p < size.z; p++) {
    total += left[row * size.z + p] * right[p * size.y + column];
  }
  return total;
}

@compute @workgroup_size(4, 16)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if id.y < size.x {
    var values: array<f32, WIDTH>;
    for (var i = 0u; i < WIDTH; i++) {
      values[i] = inner(id.y, min(id.x * WIDTH + i, size.y - 1u));
    }
    write_row(&product, id.y, id.x * WIDTH, &values);
  }
}
