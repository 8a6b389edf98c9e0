// Returns wherever it can: outside of the matrix, after the last column, after the last row.
@group(0) @binding(0) var<storage,read> A:array<f32>;
@group(0) @binding(1) var<storage,read> B:array<f32>;
@group(0) @binding(2) var<storage,read_write> C:array<f32>;
@group(0) @binding(3) var<uniform> d:vec3u;

fn dot_(i:u32,j:u32)->f32{var s=0f;for(var p=0u;p<d.z;p++){s+=A[i*d.z+p]*B[p*d.y+j];}return s;}

@compute @workgroup_size(4,4)
fn main(@builtin(global_invocation_id) g:vec3u){
  let i=g.y*2;let j=g.x*2;
  if(i>=d.x){return;}
  if(j>=d.y){return;}
  C[i*d.y+j]=dot_(i,j);
  if(j+1<d.y){C[i*d.y+j+1]=dot_(i,j+1);}
  if(i+1>=d.x){return;}
  C[(i+1)*d.y+j]=dot_(i+1,j);
  if(j+1>=d.y){return;}
  C[(i+1)*d.y+j+1]=dot_(i+1,j+1);
}
