#include "paxos/acceptor.hpp"

#include <utility>

namespace paxledger::paxos {

Acceptor::Acceptor(DurableState recovered)
    : promised_(recovered.promised), accepted_(std::move(recovered.accepted)) {
  for (const auto& [slot, accepted] : accepted_) accepted_bytes_ += accepted.value.size();
}

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
  auto& held = accepted_[slot];
  accepted_bytes_ += value.size();
  accepted_bytes_ -= held.value.size();
  held = {slot, ballot, std::move(value)};
  return true;
}

Promise Acceptor::report(Ballot ballot, Slot first, std::size_t bytes_max,
                         std::size_t values_max) const {
  Promise promise;
  promise.ballot = ballot;
  promise.first = first;
  promise.through = first;
  promise.complete = true;
  std::size_t bytes = 0;
  for (auto next = accepted_.lower_bound(first); next != accepted_.end(); ++next) {
    if (!promise.accepted.empty() &&
        (bytes + next->second.value.size() > bytes_max || promise.accepted.size() >= values_max)) {
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
  const auto end = accepted_.upper_bound(slot);
  for (auto each = accepted_.begin(); each != end; ++each) {
    accepted_bytes_ -= each->second.value.size();
  }
  accepted_.erase(accepted_.begin(), end);
}

}  // namespace paxledger::paxos
