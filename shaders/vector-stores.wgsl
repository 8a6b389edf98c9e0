// Stores of whole vectors to the output, by component: a chunk's boundary may fall between two of them, and counts are of
// scalars. Spliced behind a kernel whose output is an array of vectors, together with a space that has tw_store.

fn tw_store2(index: u32, value: vec2f) {
  tw_store(2u * index, value.x);
  tw_store(2u * index + 1u, value.y);
}

fn tw_store4(index: u32, value: vec4f) {
  tw_store(4u * index, value.x);
  tw_store(4u * index + 1u, value.y);
  tw_store(4u * index + 2u, value.z);
  tw_store(4u * index + 3u, value.w);
}
