#include "wire/log_record.hpp"

#include <cstdint>
#include <variant>

namespace paxledger::wire {

namespace {

enum class Kind : std::uint8_t { promise = 1, accept = 2, generation = 3, abstain = 4 };

constexpr std::size_t kPromiseBytes = 13;
constexpr std::size_t kAcceptFixedBytes = 21;
constexpr std::size_t kGenerationBytes = 9;
constexpr std::size_t kAbstainBytes = 10;

struct Encoder {
  std::string& out;

  void kind(Kind value) const { append_le(out, static_cast<std::uint8_t>(value)); }
  void ballot(const paxos::Ballot& ballot) const {
    append_le(out, ballot.round.value());
    append_le(out, ballot.node.value());
  }

  void operator()(const paxos::PromiseRecord& record) const {
    kind(Kind::promise);
    ballot(record.ballot);
  }
  void operator()(const paxos::AcceptRecord& record) const {
    kind(Kind::accept);
    ballot(record.ballot);
    append_le(out, record.slot.value());
    out += record.value.view();
  }
  void operator()(const paxos::GenerationRecord& record) const {
    kind(Kind::generation);
    append_le(out, record.node.value());
    append_le(out, record.generation.value());
  }
  void operator()(const paxos::AbstainRecord& record) const {
    kind(Kind::abstain);
    append_le(out, record.through.value());
    append_le(out, static_cast<std::uint8_t>(record.open ? 1 : 0));
  }
};

Error malformed(std::string_view octets, const std::string& what) {
  return {ErrorCode::damaged,
          "log record of " + std::to_string(octets.size()) + " octets: " + what};
}

paxos::Ballot read_ballot(std::string_view octets) {
  return {Round(read_le<std::uint64_t>(octets, 1)), NodeId(read_le<std::uint32_t>(octets, 9))};
}

}  // namespace

void append_log_record(std::string& out, const paxos::DurableRecord& record) {
  std::visit(Encoder{out}, record);
}

Result<paxos::DurableRecord> decode_log_record(const SharedBytes& octets) {
  const std::string_view view = octets.view();
  if (view.empty()) return malformed(view, "expected a kind");
  switch (static_cast<Kind>(view[0])) {
    case Kind::promise:
      if (view.size() != kPromiseBytes) return malformed(view, "expected a promise of 13");
      return paxos::DurableRecord(paxos::PromiseRecord{read_ballot(view)});
    case Kind::accept:
      if (view.size() < kAcceptFixedBytes)
        return malformed(view, "expected an accept of 21 or more");
      return paxos::DurableRecord(paxos::AcceptRecord{read_ballot(view),
                                                      Slot(read_le<std::uint64_t>(view, 13)),
                                                      octets.slice(kAcceptFixedBytes)});
    case Kind::generation:
      if (view.size() != kGenerationBytes) return malformed(view, "expected a generation of 9");
      return paxos::DurableRecord(paxos::GenerationRecord{
          NodeId(read_le<std::uint32_t>(view, 1)), Generation(read_le<std::uint32_t>(view, 5))});
    case Kind::abstain: {
      if (view.size() != kAbstainBytes) return malformed(view, "expected an abstain of 10");
      const auto open = read_le<std::uint8_t>(view, 9);
      if (open > 1) return malformed(view, "expected 0 or 1 for open");
      return paxos::DurableRecord(
          paxos::AbstainRecord{Slot(read_le<std::uint64_t>(view, 1)), open == 1});
    }
  }
  return malformed(view,
                   "kind " + std::to_string(static_cast<unsigned char>(view[0])) + " is not known");
}

std::size_t log_record_bytes(const paxos::DurableRecord& record) {
  const auto* accept = std::get_if<paxos::AcceptRecord>(&record);
  return kAcceptFixedBytes + (accept != nullptr ? accept->value.size() : 0);
}

}  // namespace paxledger::wire
