// A fixed number of committed writes through three nodes in one process, and what they took, as
// JSON. Run under callgrind it counts instructions (bench/instructions.py); run by itself under a
// profiler it shows where the time goes.
//
//   paxledger_writes [AT_ONCE [WRITES]]      AT_ONCE puts are handed over together, until there
//                                            were WRITES; default 64 and 6400
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "in_process/cluster.hpp"

namespace {

// Every allocation of the program; it has one thread.
std::uint64_t g_allocations = 0;
std::uint64_t g_allocated_bytes = 0;

}  // namespace

// NOLINTBEGIN(*-no-malloc, *-new-delete-operators): counting is the point.
void* operator new(std::size_t bytes) {
  ++g_allocations;
  g_allocated_bytes += bytes;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*bytes*/) noexcept {
  std::free(memory);
}
// NOLINTEND(*-no-malloc, *-new-delete-operators)

using paxledger::bench::InProcessCluster;
using paxledger::bench::Traffic;

// bench/instructions.py counts what is done within this function, by its name.
extern "C" __attribute__((noinline)) void paxledger_counted_writes(
    InProcessCluster& cluster, std::vector<std::vector<InProcessCluster::Request>>& rounds) {
  for (auto& requests : rounds) cluster.serve(std::move(requests));
}

int main(int argc, char** argv) {
  const std::size_t at_once = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 64;
  const std::size_t wanted = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 6400;
  if (at_once == 0 || at_once > 4096) {
    std::fprintf(stderr, "usage: paxledger_writes [AT_ONCE [WRITES]], AT_ONCE from 1 to 4096\n");
    return 2;
  }
  InProcessCluster cluster;
  std::vector<std::vector<InProcessCluster::Request>> rounds;
  for (std::size_t count = 0; count < wanted; count += at_once) {
    rounds.push_back(cluster.encode_puts(at_once, 16));
  }
  const std::size_t writes = rounds.size() * at_once;
  const Traffic before = cluster.traffic();
  const std::uint64_t allocations_before = g_allocations;
  const std::uint64_t bytes_before = g_allocated_bytes;
  paxledger_counted_writes(cluster, rounds);
  const std::uint64_t allocations = g_allocations - allocations_before;
  const std::uint64_t allocated_bytes = g_allocated_bytes - bytes_before;
  const Traffic after = cluster.traffic();
  if (cluster.take_successes() != writes) {
    std::fprintf(stderr, "paxledger_writes: not every write was acknowledged\n");
    return 1;
  }
  const auto each = [writes](std::uint64_t end, std::uint64_t begin = 0) {
    return static_cast<double>(end - begin) / static_cast<double>(writes);
  };
  std::printf("{\"compiler\": \"%s\", \"writes\": %zu, \"at_once\": %zu, ", __VERSION__, writes,
              at_once);
  std::printf(
      "\"per_write\": {\"allocations\": %.3f, \"allocated_bytes\": %.1f, "
      "\"peer_packets\": %.4f, \"peer_bytes\": %.1f, "
      "\"reply_packets\": %.4f, \"reply_bytes\": %.1f, \"disk_writes\": %.4f, "
      "\"disk_bytes\": %.1f, \"syncs\": %.4f}}\n",
      each(allocations), each(allocated_bytes), each(after.peer_packets, before.peer_packets),
      each(after.peer_bytes, before.peer_bytes), each(after.reply_packets, before.reply_packets),
      each(after.reply_bytes, before.reply_bytes), each(after.disks.writes, before.disks.writes),
      each(after.disks.bytes_written, before.disks.bytes_written),
      each(after.disks.syncs, before.disks.syncs));
  return 0;
}
