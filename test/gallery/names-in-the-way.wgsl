// a, b and c are here parameters, there locals, and elsewhere the buffers themselves.
struct P { rows: u32, K: u32, cols: u32, _pad: u32 }

@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

fn mad(a: f32, b: f32, c: f32) -> f32 { return a * b + c; }

fn flat(c: u32, rows: u32, K: u32) -> u32 { return rows * K + c; }

fn product(rows: u32, cols: u32) -> f32 {
  var c = array<f32, 2>();
  for (var K = 0u; K < p.K; K++) {
    // Even and odd sums apart, in a local array that is called like the output.
    c[K & 1] = mad(a[flat(K, rows, p.K)], b[flat(cols, K, p.cols)], c[K & 1]);
  }
  return c[0] + c[1];
}

@compute @workgroup_size(4, 4)
fn gemm(@builtin(global_invocation_id) b: vec3u) {
  if (b.y < p.rows && b.x < p.cols) {
    let a = product(b.y, b.x);
    {
      let c = a;
      _ = c;
    }
    c[flat(b.x, b.y, p.cols)] = a;
  }
}
