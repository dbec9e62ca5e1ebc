#include "paxos/acceptor.hpp"

#include <utility>

namespace paxledger::paxos {

const AcceptedValue* Acceptor::at(Slot slot) const {
  const auto found = accepted_.find(slot);
  return found == accepted_.end() ? nullptr : &found->second;
}

bool Acceptor::promise(Ballot ballot) {
  if (ballot < promised_) return false;
  promised_ = ballot;
  return true;
}

bool Acceptor::accept(Ballot ballot, Slot slot, Value value) {
  if (!promise(ballot)) return false;
  accepted_[slot] = {slot, ballot, std::move(value)};
  return true;
}

Promise Acceptor::report(Ballot ballot, Slot first, std::size_t bytes_max) const {
  Promise promise;
  promise.ballot = ballot;
  promise.first = first;
  promise.through = first;
  promise.complete = true;
  std::size_t bytes = 0;
  for (auto next = accepted_.lower_bound(first); next != accepted_.end(); ++next) {
    if (!promise.accepted.empty() && (bytes + next->second.value.size() > bytes_max ||
                                      promise.accepted.size() >= kReportValuesMax)) {
      promise.complete = false;
      break;
    }
    bytes += next->second.value.size();
    promise.accepted.push_back(next->second);
    promise.through = next->first;
  }
  return promise;
}

void Acceptor::forget_through(Slot slot) {
  accepted_.erase(accepted_.begin(), accepted_.upper_bound(slot));
}

}  // namespace paxledger::paxos
