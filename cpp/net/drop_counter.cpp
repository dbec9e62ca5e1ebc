#include "net/drop_counter.hpp"

#include <numeric>

namespace paxledger::net {

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::malformed:
      return "malformed";
    case DropReason::too_many_frames:
      return "too_many_frames";
    case DropReason::other_version:
      return "other_version";
    case DropReason::other_cluster:
      return "other_cluster";
    case DropReason::other_recipient:
      return "other_recipient";
    case DropReason::unknown_sender:
      return "unknown_sender";
    case DropReason::queue_full:
      return "queue_full";
    case DropReason::not_connected:
      return "not_connected";
    case DropReason::too_large:
      return "too_large";
    case DropReason::fault_injected:
      return "fault_injected";
  }
  return "unknown";
}

std::uint64_t DropCounter::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

}  // namespace paxledger::net
