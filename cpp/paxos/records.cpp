#include "paxos/records.hpp"

#include <algorithm>

namespace paxledger::paxos {

namespace {

struct Replay {
  DurableState& state;

  void operator()(const PromiseRecord& record) const {
    state.promised = std::max(state.promised, record.ballot);
  }
  void operator()(const AcceptRecord& record) const {
    state.promised = std::max(state.promised, record.ballot);
    state.accepted[record.slot] = {record.slot, record.ballot, record.value};
  }
  void operator()(const GenerationRecord& record) const {
    auto& known = state.generations[record.node];
    known = std::max(known, record.generation);
  }
  void operator()(const AbstainRecord& record) const { state.abstain = record; }
};

}  // namespace

void DurableState::replay(const DurableRecord& record) {
  std::visit(Replay{*this}, record);
}

void DurableState::trim(Slot through) {
  accepted.erase(accepted.begin(), accepted.upper_bound(through));
}

}  // namespace paxledger::paxos
