// Which elements of its 3 x 3 block an invocation does, and when, stands in a table: a spiral from the middle.

const STEPS = array<vec2<i32>, 9>(
  vec2(0, 0), vec2(1, 0), vec2(1, 1), vec2(0, 1), vec2(-1, 1), vec2(-1, 0), vec2(-1, -1), vec2(0, -1), vec2(1, -1),
);
const_assert 9 == 3 * 3;

@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
@group(0) @binding(3) var<uniform> mnk: vec3<i32>;

@compute @workgroup_size(4, 4)
fn spiral(@builtin(global_invocation_id) id: vec3<u32>) {
  let middle = vec2<i32>(id.xy) * 3 + 1;
  var i = 0;
  while i < 9 {
    let at = middle + STEPS[i];
    i += 1;
    if at.x >= mnk.y || at.y >= mnk.x { continue; }
    var k = mnk.z;
    var total = 0.0;
    while k > 0 {
      k -= 1;
      var term = A[at.y * mnk.z + k];
      term *= B[k * mnk.y + at.x];
      total += term;
    }
    var where_ = at.y;
    where_ *= mnk.y;
    where_ += at.x;
    C[where_] = total;
  }
}
