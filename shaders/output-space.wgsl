// The producer's output address space, spliced behind a kernel by src/gpu/instrument.ts: a virtual workgroup
// scheduler, stores that go to whatever chunk memory is bound (binding a peer's buffer is the remote_map),
// and counters of the elements that landed. SLOTS chunks are bound.
// JOINT: their memories are ranges of one buffer, which is bound once; a place is one of the buffer's.
// WHERE a store may go: 0 there is one chunk for all; 1 to one of several that lie one behind the other along BY_ROWS (else
// columns); 2 to any or to none of them, and then it is masked.
// DENSE: chunks are whole rows that lie without gaps in the kernel's output, so that a place is an index less a constant.
// MIXED: one bit per piece in the order table says whether it is stored or updated (C += value); else all are stored.
// Of more than four slots that lie in order in one buffer, stores are counted in an array: it costs as much as four counters, whatever their number.
// MUTED: a deliberate defect for tests, 1 workgroup TW_MUTED stores nothing, 2 none does.

override TW_PITCH: u32 = 1u;      // elements from row to row of the kernel's output
override TW_WAVEFRONT: u32 = 64u; // lanes of a virtual wavefront
override TW_MUTED: u32 = 0u;

struct TwEntry {
  workgroup: u32,
//@repeat p SLOTS
  counter$p: u32, // of the part's first wavefront
  update$p: u32,  // op bit: 0 store, 1 update
//@if JOINT
  first$p: u32,   // element of the buffer with which the chunk's memory begins
//@end
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
//@repeat c SLOTS - (SLOTS - 1) * JOINT
@group(1) @binding($(c + 3)) var<storage, read_write> tw_chunk$c: array<f32>;
//@end
//@repeat p SLOTS
var<private> tw_landed$p: u32;
// An element's place is its index less `base`, and less `gap` for each row before it. Made ready once in
// tw_begin: on a software adapter, reading them at each store was two thirds of what tracking costs.
var<private> tw_base$p: u32;
//@if !DENSE
var<private> tw_gap$p: u32;
//@end
//@if WHERE == 1 || (WHERE == 2 && DENSE)
var<private> tw_from$p: u32; // where the chunk begins along the axis
//@end
//@if WHERE == 2 && DENSE
var<private> tw_size$p: u32;
//@end
//@if WHERE == 2 && !DENSE
var<private> tw_row$p: u32;
var<private> tw_rows$p: u32;
var<private> tw_column$p: u32;
var<private> tw_columns$p: u32;
//@end
var<private> tw_update$p: bool;
//@end

//@if WHERE == 1 && JOINT && SLOTS > 4
//@repeat only 1
var<private> tw_counts: array<u32, $(only + SLOTS)>;
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
//@repeat p SLOTS
//@if DENSE
  let base$p = tw_slots.row$p * TW_PITCH;
//@end
//@if !DENSE
  let base$p = tw_slots.row$p * tw_slots.columns$p + tw_slots.column$p;
  tw_gap$p = TW_PITCH - tw_slots.columns$p;
//@end
//@if !JOINT
  tw_base$p = base$p;
//@end
//@if JOINT
  tw_base$p = base$p - tw_order[group.x].first$p;
//@end
//@if WHERE > 0 && DENSE
  tw_from$p = base$p;
//@end
//@if WHERE == 1 && !DENSE && BY_ROWS
  tw_from$p = tw_slots.row$p;
//@end
//@if WHERE == 1 && !BY_ROWS
  tw_from$p = tw_slots.column$p;
//@end
//@if WHERE == 2 && DENSE
  tw_size$p = tw_slots.rows$p * TW_PITCH;
//@end
//@if WHERE == 2 && !DENSE
  tw_row$p = tw_slots.row$p;
  tw_rows$p = tw_slots.rows$p;
  tw_column$p = tw_slots.column$p;
  tw_columns$p = tw_slots.columns$p;
//@end
//@if MIXED
  tw_update$p = tw_order[group.x].update$p != 0u;
//@end
//@end
}

//@repeat c SLOTS - (SLOTS - 1) * JOINT
fn tw_put$c(place: u32, value: f32, update: bool) {
//@if !MIXED
  tw_chunk$c[place] = value;
//@end
//@if MIXED && JOINT
  // Read either way: a branch costs a software adapter more than that.
  let sum = tw_chunk$c[place] + value;
  tw_chunk$c[place] = select(value, sum, update);
//@end
//@if MIXED && !JOINT
  var x = value;
  if (update) { x = tw_chunk$c[place] + value; }
  tw_chunk$c[place] = x;
//@end
}
//@end

fn tw_store(index: u32, value: f32) {
//@if MUTED
  if (tw_muted) { return; }
//@end
//@if !DENSE
  let row = index / TW_PITCH;
//@end
//@if !DENSE && (WHERE == 2 || (WHERE == 1 && !BY_ROWS))
  let column = index - row * TW_PITCH;
//@end
//@if WHERE == 1
  // The last chunk that begins at or before it. Its place is reckoned once: a software adapter runs every branch.
//@if DENSE
  let along = index;
//@end
//@if !DENSE && BY_ROWS
  let along = row;
//@end
//@if !BY_ROWS
  let along = column;
//@end
  var base = tw_base0;
//@if !DENSE
  var gap = tw_gap0;
//@end
  var update = tw_update0;
//@if !JOINT || SLOTS > 4
  var slot = 0u;
//@end
//@repeat q SLOTS - 1
  let is$(q + 1) = along >= tw_from$(q + 1);
  base = select(base, tw_base$(q + 1), is$(q + 1));
//@if !DENSE
  gap = select(gap, tw_gap$(q + 1), is$(q + 1));
//@end
  update = select(update, tw_update$(q + 1), is$(q + 1));
//@if JOINT && SLOTS <= 4
  // Those behind it as well, which tw_end takes off.
  tw_landed$(q + 1) += select(0u, 1u, is$(q + 1));
//@end
//@if !JOINT || SLOTS > 4
  slot = select(slot, $(q + 1)u, is$(q + 1));
//@end
//@end
//@if DENSE
  let place = index - base;
//@end
//@if !DENSE
  let place = index - row * gap - base;
//@end
//@if JOINT
  tw_put0(place, value, update);
//@if SLOTS <= 4
  tw_landed0 += 1u;
//@end
//@if SLOTS > 4
  tw_counts[slot] += 1u;
//@end
//@end
//@if !JOINT
//@repeat p SLOTS
  if (slot == $(p)u) {
    tw_put$p(place, value, update);
    tw_landed$p += 1u;
  }
//@end
//@end
//@end
//@if WHERE != 1
//@repeat p SLOTS
//@if WHERE == 2 && DENSE
  if (index - tw_from$p < tw_size$p)
//@end
//@if WHERE == 2 && !DENSE
  if (row - tw_row$p < tw_rows$p && column - tw_column$p < tw_columns$p)
//@end
  {
//@if DENSE
    let place = index - tw_base$p;
//@end
//@if !DENSE
    let place = index - row * tw_gap$p - tw_base$p;
//@end
    tw_put$(p - p * JOINT)(place, value, tw_update$p);
    tw_landed$p += 1u;
  }
//@end
//@end
}

// After the call of the kernel, so that its early returns lose nothing.
fn tw_end(group: vec3u, lane: u32) {
//@if WHERE == 1 && JOINT && SLOTS <= 4
//@repeat p SLOTS - 1
  tw_landed$p -= tw_landed$(p + 1);
//@end
//@end
//@if WHERE == 1 && JOINT && SLOTS > 4
//@repeat p SLOTS
  tw_landed$p = tw_counts[$(p)u];
//@end
//@end
//@repeat p SLOTS
  if (tw_landed$p != 0u) {
    atomicAdd(&tw_counters[tw_order[group.x].counter$p + lane / TW_WAVEFRONT], tw_landed$p);
  }
//@end
}
