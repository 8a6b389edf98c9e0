// The producer's output address space, spliced behind a kernel by src/gpu/instrument.ts: a virtual workgroup
// scheduler, stores that go to whatever chunk memory is bound (binding a peer's buffer is the remote_map),
// and counters of the elements that landed. SLOTS chunks are bound.
// WHERE a store may go: 0 there is one chunk for all; 1 to one of several that lie one behind the other along BY_ROWS (else
// columns); 2 to any or to none of them, and then it is masked.
// DENSE: chunks are whole rows that lie without gaps in the kernel's output, so that a place is an index less a constant.
// OP: 0 every piece is stored, 1 every piece is updated (C += value), 2 one bit per piece in the order table.
// MUTED: a deliberate defect for tests, 1 workgroup TW_MUTED stores nothing, 2 none does.

override TW_PITCH: u32 = 1u;      // elements from row to row of the kernel's output
override TW_WAVEFRONT: u32 = 64u; // lanes of a virtual wavefront
override TW_MUTED: u32 = 0u;

struct TwEntry {
  workgroup: u32,
//@repeat p SLOTS
  counter$p: u32, // of the part's first wavefront
  update$p: u32,  // op bit: 0 store, 1 update
//@end
}

// The chunk's rectangle of the whole output.
struct TwSlots {
//@repeat p SLOTS
  row$p: u32,
  rows$p: u32,
  column$p: u32,
  columns$p: u32,
//@end
}

@group(1) @binding(0) var<storage, read> tw_order: array<TwEntry>;
@group(1) @binding(1) var<storage, read_write> tw_counters: array<atomic<u32>>;
@group(1) @binding(2) var<uniform> tw_slots: TwSlots;
//@repeat p SLOTS
@group(1) @binding($(p + 3)) var<storage, read_write> tw_chunk$p: array<f32>;
var<private> tw_landed$p: u32;
//@if OP == 2
var<private> tw_update$p: bool;
//@end
//@end

//@if MUTED
var<private> tw_muted: bool;
//@end

fn tw_workgroup(group: vec3u) -> u32 {
  return tw_order[group.x].workgroup;
}

fn tw_begin(group: vec3u, lane: u32) {
//@if MUTED == 1
  tw_muted = tw_order[group.x].workgroup == TW_MUTED;
//@end
//@if MUTED == 2
  tw_muted = true;
//@end
//@if OP == 2
//@repeat p SLOTS
  tw_update$p = tw_order[group.x].update$p != 0u;
//@end
//@end
}

fn tw_store(index: u32, value: f32) {
//@if MUTED
  if (tw_muted) { return; }
//@end
//@if WHERE != 0 || !DENSE
  let row = index / TW_PITCH;
//@end
//@if !DENSE
  let column = index - row * TW_PITCH;
//@end
//@if WHERE == 1
  // The last chunk that begins at or before it. Its place is reckoned once: a software adapter runs every branch.
//@if BY_ROWS
  var begin = tw_slots.row0;
//@repeat p SLOTS
  begin = select(begin, tw_slots.row$p, row >= tw_slots.row$p);
//@end
//@if DENSE
  let place = index - begin * TW_PITCH;
//@end
//@if !DENSE
  let place = (row - begin) * tw_slots.columns0 + column - tw_slots.column0;
//@end
//@end
//@if !BY_ROWS
  var begin = tw_slots.column0;
  var columns = tw_slots.columns0;
//@repeat p SLOTS
  begin = select(begin, tw_slots.column$p, column >= tw_slots.column$p);
  columns = select(columns, tw_slots.columns$p, column >= tw_slots.column$p);
//@end
  let place = (row - tw_slots.row0) * columns + column - begin;
//@end
//@end
//@repeat p SLOTS
//@if WHERE == 1 && BY_ROWS
  if (begin == tw_slots.row$p)
//@end
//@if WHERE == 1 && !BY_ROWS
  if (begin == tw_slots.column$p)
//@end
//@if WHERE == 2 && DENSE
  if (row - tw_slots.row$p < tw_slots.rows$p)
//@end
//@if WHERE == 2 && !DENSE
  if (row - tw_slots.row$p < tw_slots.rows$p && column - tw_slots.column$p < tw_slots.columns$p)
//@end
  {
//@if WHERE != 1 && DENSE
    let place = index - tw_slots.row$p * TW_PITCH;
//@end
//@if WHERE != 1 && !DENSE
    let place = (row - tw_slots.row$p) * tw_slots.columns$p + column - tw_slots.column$p;
//@end
    var x = value;
//@if OP == 1
    x = tw_chunk$p[place] + value;
//@end
//@if OP == 2
    if (tw_update$p) { x = tw_chunk$p[place] + value; }
//@end
    tw_chunk$p[place] = x;
    tw_landed$p += 1u;
  }
//@end
}

// After the call of the kernel, so that its early returns lose nothing.
fn tw_end(group: vec3u, lane: u32) {
//@repeat p SLOTS
  if (tw_landed$p != 0u) {
    atomicAdd(&tw_counters[tw_order[group.x].counter$p + lane / TW_WAVEFRONT], tw_landed$p);
  }
//@end
}
