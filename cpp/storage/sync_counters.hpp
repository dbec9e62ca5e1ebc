// Figures about writes and syncs, for metrics.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace paxledger::storage {

// Written by one thread, read by any. Each counter is exact; together they are no snapshot.
class SyncCounters {
 public:
  // Upper bounds of the latency buckets in microseconds; one more bucket takes the rest.
  static constexpr std::array<std::uint64_t, 14> kBoundsMicroseconds{
      50,     100,    250,    500,     1'000,   2'500,   5'000,
      10'000, 25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000};

  std::atomic<std::uint64_t> batches{0};  // writes followed by a sync
  std::atomic<std::uint64_t> records{0};  // what they carried
  std::atomic<std::uint64_t> bytes{0};    // octets written
  std::atomic<std::uint64_t> syncs{0};
  std::atomic<std::uint64_t> last_sync_us{0};
  std::atomic<std::uint64_t> max_sync_us{0};
  std::atomic<std::uint64_t> total_sync_us{0};
  std::array<std::atomic<std::uint64_t>, kBoundsMicroseconds.size() + 1> buckets{};

  // A write and its sync took `microseconds` together.
  void observe_sync(std::uint64_t microseconds) {
    std::size_t bucket = 0;
    while (bucket < kBoundsMicroseconds.size() && microseconds > kBoundsMicroseconds[bucket]) {
      ++bucket;
    }
    buckets[bucket].fetch_add(1, std::memory_order_relaxed);
    syncs.fetch_add(1, std::memory_order_relaxed);
    last_sync_us.store(microseconds, std::memory_order_relaxed);
    total_sync_us.fetch_add(microseconds, std::memory_order_relaxed);
    if (microseconds > max_sync_us.load(std::memory_order_relaxed)) {
      max_sync_us.store(microseconds, std::memory_order_relaxed);
    }
  }
};

}  // namespace paxledger::storage
