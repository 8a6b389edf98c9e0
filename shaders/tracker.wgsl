// The trackers of all devices on the GPU, one workgroup a device: compares counters with thresholds, and makes the lists of
// what the next epoch sends and the one after it applies. A list is one (device, chunk in its window), its length an
// indirect dispatch. Nothing here depends on the order in which lanes or workgroups run: blocks leave in the Plan's order,
// and what one workgroup writes no other reads or writes. The op of an update follows from the order of execution: the
// epoch's GEMM stages come before its updates; where the update is first, the GEMM's store is told to add.
// One update by DMA a part and memory, as the Plan has it. Counters are a copy, taken when the epoch was over.

struct Run {
  devices: u32,
  windows: u32,     // a device and turn
  counters: u32,    // words of each writer
  parts: u32,
  blocks: u32,
  wavefronts: u32,
  block_parts: u32,
  lag: u32,
  landing: u32,     // elements of a link's landing buffer
  list_items: u32,  // places in a list
  most: u32,        // items that a list may hold, and so workgroups of its dispatch
}

// What there is to look at on one device in one turn: a chunk some of whose blocks may become ready, or be sent.
struct Window {
  epoch: u32,       // the one that is over
  first_block: u32,
  blocks: u32,      // 0: nothing
  first_part: u32,
  end_part: u32,
  one: u32,         // writers whose counters add up; NONE
  other: u32,
  updates: u32,     // of each element
  odd_piece: u32,   // a threshold that is off on purpose, and by how much; NONE
  odd_delta: i32,
  open: u32,        // the next epoch dispatches its list
}

struct Piece {
  elements: u32,    // 0: it does not exist
  landing: u32,     // its place in its block: elements, and items
  item: u32,
  leads: u32,       // first existing piece of its part
  first_run: u32,
  runs: u32,
}

// What else is stored to the place where a part of this device's is applied.
struct Store {
  epoch: u32,       // of the first GEMM stage that does; NONE
  word: u32,        // of its op bit in the order tables
  op: u32,          // of the update, once it is settled: 1 store, 2 add
}

struct Item {
  first_run: u32,
  runs: u32,
  landing: u32,
  counter: u32,
  update: u32,
  memory: u32,
}

// Of a block on a device. Epochs count from 1; 0 is never.
struct Block {
  seen: u32,
  sent: u32,
  landing: u32,
  item: u32,
  chosen: u32,      // not of this block: which one is sent as that many-th now, and of which window it is
  window: u32,
}

struct Log {
  turn: array<u32, 64>,     // of each device
  overflow: array<u32, 64>, // a list was longer than may be
  blocks: array<Block>,
}

@group(0) @binding(0) var<uniform> run: Run;
@group(0) @binding(1) var<storage, read> windows: array<Window>;
@group(0) @binding(2) var<storage, read> pieces: array<Piece>;
@group(0) @binding(3) var<storage, read> counters: array<u32>;
@group(0) @binding(4) var<storage, read_write> stores: array<Store>;
@group(0) @binding(5) var<storage, read_write> journal: Log;
@group(0) @binding(6) var<storage, read_write> orders: array<u32>;
@group(0) @binding(7) var<storage, read_write> lists: array<Item>;
@group(0) @binding(8) var<storage, read_write> dispatches: array<u32>; // x, y, z of each list

// Few: blocks that become ready at one time are few, and so are the pieces of one.
const LANES = 16u;
const NONE = 0xffffffffu;

var<workgroup> chosen: u32;

fn landed(writer: u32, piece: u32) -> u32 {
  if (writer == NONE) { return 0u; }
  return counters[writer * run.counters + piece];
}

// By row of `windows`.
fn is_complete(row: u32, piece: u32) -> bool {
  let elements = pieces[piece].elements;
  var threshold = i32(elements * windows[row].updates);
  if (piece == windows[row].odd_piece) { threshold += windows[row].odd_delta; }
  let count = landed(windows[row].one, piece) + landed(windows[row].other, piece);
  return elements == 0u || (count > 0u && threshold != 0 && i32(count) >= threshold);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let device = group.x;
  let blocks = device * run.blocks;
  let rows = (journal.turn[device] * run.devices + device) * run.windows;
  let epoch = windows[rows].epoch;
  let side = (((epoch + 1u) % 2u) * run.devices + device) * run.windows;

  // Thresholds: a lane a block.
  for (var w = 0u; w < run.windows; w++) {
    let row = rows + w;
    let count = windows[row].blocks;
    for (var b = lane; b < count; b += LANES) {
      let at = blocks + windows[row].first_block + b;
      if (journal.blocks[at].seen != 0u) { continue; }
      let first = windows[row].first_part + b * run.block_parts;
      let end = min(first + run.block_parts, windows[row].end_part) * run.wavefronts;
      var complete = true;
      for (var piece = first * run.wavefronts; complete && piece < end; piece++) { complete = is_complete(row, piece); }
      if (complete) { journal.blocks[at].seen = epoch + 1u; }
    }
  }
  storageBarrier();

  // What the next epoch sends: in the Plan's order, up to the first block for which the link has no room.
  if (lane == 0u) {
    var count = 0u;
    var used = 0u;
    var is_full = false;
    for (var w = 0u; w < run.windows; w++) {
      let row = rows + w;
      if (windows[row].open == 0u) { continue; }
      let first_block = windows[row].first_block;
      let end_block = first_block + windows[row].blocks;
      var items = 0u;
      for (var which = first_block; which < end_block && !is_full; which++) {
        let at = blocks + which;
        let seen = journal.blocks[at].seen;
        if (seen == 0u || seen + run.lag > epoch + 2u || journal.blocks[at].sent != 0u) { continue; }
        let part = windows[row].first_part + (which - first_block) * run.block_parts;
        let last = min(part + run.block_parts, windows[row].end_part) * run.wavefronts - 1u;
        let elements = pieces[last].landing + pieces[last].elements;
        if (used + elements > run.landing) {
          is_full = true;
          continue;
        }
        journal.blocks[at].sent = epoch + 2u;
        journal.blocks[at].landing = used;
        journal.blocks[at].item = items;
        journal.blocks[blocks + count].chosen = which;
        journal.blocks[blocks + count].window = w;
        count++;
        used += elements;
        items += pieces[last].item + u32(pieces[last].elements > 0u);
      }
      if (items > run.most) { journal.overflow[device] = 1u; }
      let list = 3u * (side + w);
      dispatches[list] = min(items, run.most);
      dispatches[list + 1u] = 1u;
      dispatches[list + 2u] = 1u;
    }
    chosen = count;
    journal.turn[device] += 1u;
  }
  storageBarrier();
  workgroupBarrier();

  // Their items, and the ops of their updates: a lane a piece, over the places that blocks of full size would have.
  let places = run.block_parts * run.wavefronts;
  let count = chosen * places;
  for (var i = lane; i < count; i += LANES) {
    let c = i / places;
    let which = journal.blocks[blocks + c].chosen;
    let w = journal.blocks[blocks + c].window;
    let row = rows + w;
    let first = (windows[row].first_part + (which - windows[row].first_block) * run.block_parts) * run.wavefronts;
    let p = first + i - c * places;
    if (p >= windows[row].end_part * run.wavefronts) { continue; }
    if (pieces[p].elements == 0u) { continue; }
    let store = device * run.parts + p / run.wavefronts;
    // Applied two epochs from now, behind that epoch's stages.
    let is_later = stores[store].epoch <= epoch + 2u;
    if (pieces[p].leads != 0u) {
      stores[store].op = select(1u, 2u, is_later);
      if (!is_later && stores[store].word != NONE) { orders[stores[store].word] = 1u; }
    }
    let at = journal.blocks[blocks + which].item + pieces[p].item;
    if (at >= run.most) { continue; }
    lists[(side + w) * run.list_items + at] = Item(pieces[p].first_run, pieces[p].runs, journal.blocks[blocks + which].landing + pieces[p].landing, p, u32(is_later), 0u);
  }
}
