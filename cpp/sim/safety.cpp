#include "sim/safety.hpp"

#include <algorithm>

#include "engine/batch.hpp"
#include "kv/command.hpp"
#include "sim/describe.hpp"

namespace paxledger::sim {

std::string AgreedHistory::append(const ledger::Block& block) {
  blocks_.push_back(block);
  const auto commands = ledger::split_ops(block.ops.view(), block.header.op_count);
  if (!commands) return "the ops of a decided block cannot be split";
  const Timestamp now = block.header.timestamp;
  std::string complaint;
  store_.advance_time(now);
  for (const auto octets : *commands) {
    const Revision before = store_.revision();
    const auto result = store_.apply(octets, now);
    const bool effect = store_.revision() != before;
    const auto command = kv::parse_command(octets);
    if (!command) continue;
    if (effect) {
      const auto* entry = store_.find(command->key);
      Version version{block.header.height, std::nullopt, store_.revision()};
      if (entry != nullptr) version.value = std::string(entry->value.view());
      versions_[std::string(command->key)].push_back(std::move(version));
    }
    const auto key = std::make_pair(command->session, command->sequence);
    if (command->kind == kv::CommandKind::read) reads_[key].push_back(result);
    const auto known = outcomes_.find(key);
    if (known == outcomes_.end()) {
      outcomes_[key] = {result, block.header.height, effect};
    } else if (effect && known->second.had_effect) {
      complaint = describe_command(octets) + " took effect twice: at heights " +
                  std::to_string(known->second.height.value()) + " and " +
                  std::to_string(block.header.height.value());
    } else if (effect) {
      known->second = {result, block.header.height, effect};
    }
  }
  return complaint;
}

const AgreedHistory::Outcome* AgreedHistory::outcome(SessionId session, Sequence sequence) const {
  const auto found = outcomes_.find({session, sequence});
  return found == outcomes_.end() ? nullptr : &found->second;
}

bool AgreedHistory::came_to(SessionId session, Sequence sequence,
                            const kv::CommandResult& result) const {
  const auto* first = outcome(session, sequence);
  if (first != nullptr && first->result == result) return true;
  const auto reads = reads_.find({session, sequence});
  return reads != reads_.end() &&
         std::find(reads->second.begin(), reads->second.end(), result) != reads->second.end();
}

Version AgreedHistory::at(const std::string& key, Height height) const {
  const auto found = versions_.find(key);
  if (found == versions_.end()) return {};
  const auto& versions = found->second;  // by height
  const auto after =
      std::upper_bound(versions.begin(), versions.end(), height,
                       [](Height at, const Version& version) { return at < version.height; });
  return after == versions.begin() ? Version{} : *std::prev(after);
}

void SafetyCheck::violated(const std::string& rule, NodeId node, const std::string& text) {
  violations_.push_back(rule + ": node " + name(node) + ": " + text);
}

void SafetyCheck::value_seen(NodeId node, const paxos::Ballot& ballot, Slot slot,
                             const paxos::Value& value) {
  auto [entry, fresh] = votes_[slot].try_emplace(ballot, Votes{value, {}});
  if (!fresh && !(entry->second.value == value)) {
    violated("value", node,
             "two values under ballot " + to_string(ballot) + " at slot " +
                 std::to_string(slot.value()) + ": " + describe_value(entry->second.value) +
                 " and " + describe_value(value));
  }
}

void SafetyCheck::record_handed_over(NodeId node, const paxos::DurableRecord& record) {
  paxos::Ballot& promised = promised_[node];
  if (const auto* promise = std::get_if<paxos::PromiseRecord>(&record)) {
    if (promise->ballot < promised) {
      violated("promise", node,
               "promises " + to_string(promise->ballot) + " after " + to_string(promised));
    }
    promised = std::max(promised, promise->ballot);
  }
  if (const auto* accept = std::get_if<paxos::AcceptRecord>(&record)) {
    value_seen(node, accept->ballot, accept->slot, accept->value);
    if (accept->ballot < promised) {
      violated("promise", node,
               "accepts " + to_string(accept->ballot) + " at slot " +
                   std::to_string(accept->slot.value()) + " after it promised " +
                   to_string(promised));
    }
    promised = std::max(promised, accept->ballot);
  }
}

void SafetyCheck::record_durable(NodeId node, const paxos::DurableRecord& record) {
  if (const auto* accept = std::get_if<paxos::AcceptRecord>(&record)) {
    votes_[accept->slot][accept->ballot].accepted_by.insert(node);
  }
  const auto* abstain = std::get_if<paxos::AbstainRecord>(&record);
  if (abstain == nullptr || abstain->open) return;
  // The node has rejoined, and votes above the bound as one that knows nothing. Had a value been
  // chosen there by a vote of its former life, one of those that told it the bound would have
  // known.
  for (auto slot = votes_.upper_bound(abstain->through); slot != votes_.end(); ++slot) {
    for (auto& [ballot, votes] : slot->second) votes.accepted_by.erase(node);
  }
}

void SafetyCheck::message_leaves(NodeId from, const paxos::Message& message,
                                 const paxos::DurableState& durable, Slot trimmed) {
  if (const auto* promise = std::get_if<paxos::Promise>(&message)) {
    if (durable.promised < promise->ballot) {
      violated("durable", from, "sends a promise that is not in its log: " + describe(message));
    }
  } else if (const auto* prepare = std::get_if<paxos::Prepare>(&message)) {
    if (durable.promised < prepare->ballot || prepare->ballot.node != from) {
      violated("durable", from, "uses a ballot that is not in its log: " + describe(message));
    }
  } else if (const auto* accept = std::get_if<paxos::Accept>(&message)) {
    value_seen(from, accept->ballot, accept->slot, accept->value);
    if (durable.promised < accept->ballot || accept->ballot.node != from) {
      violated("durable", from, "uses a ballot that is not in its log: " + describe(message));
    }
  } else if (const auto* accepted = std::get_if<paxos::Accepted>(&message)) {
    const auto held = durable.accepted.find(accepted->slot);
    // Of a slot that it has applied a node may say so without a record: that slot is decided, and
    // its value can be no other (block_decided() has checked that a quorum accepted it).
    const bool applied = height_of(accepted->slot) < next_[from];
    const bool covered = accepted->slot <= trimmed || (held != durable.accepted.end() &&
                                                       held->second.ballot >= accepted->ballot);
    const auto slot = votes_.find(accepted->slot);
    const bool voted = slot != votes_.end() && slot->second.contains(accepted->ballot) &&
                       slot->second.at(accepted->ballot).accepted_by.contains(from);
    if (!applied && (!covered || !voted)) {
      violated("durable", from, "sends an acceptance that is not in its log: " + describe(message));
    }
  }
}

namespace {

// Whether a log says `found`: exactly `expected` above `exact`, at least that above `least`.
bool amounts_to(const paxos::DurableState& expected, const paxos::DurableState& found, Slot least,
                Slot exact) {
  const bool same_abstention = found.abstain.through == expected.abstain.through &&
                               found.abstain.open == expected.abstain.open;
  if (found.promised != expected.promised || found.generations != expected.generations ||
      !same_abstention) {
    return false;
  }
  const auto from = expected.accepted.upper_bound(least);
  const auto exact_from = expected.accepted.upper_bound(exact);
  for (auto entry = from; entry != exact_from; ++entry) {
    const auto other = found.accepted.find(entry->first);
    if (other == found.accepted.end() || other->second.ballot < entry->second.ballot) return false;
  }
  return std::equal(found.accepted.upper_bound(exact), found.accepted.end(), exact_from,
                    expected.accepted.end(), [](const auto& a, const auto& b) {
                      return a.first == b.first && a.second.ballot == b.second.ballot &&
                             a.second.value == b.second.value;
                    });
}

std::string in_short(const paxos::DurableState& state, Slot above) {
  std::string text = "promised " + to_string(state.promised) + ", " +
                     std::to_string(state.generations.size()) + " generations, abstains to " +
                     std::to_string(state.abstain.through.value()) +
                     (state.abstain.open ? " (open)" : "") + ", accepted";
  for (auto entry = state.accepted.upper_bound(above); entry != state.accepted.end(); ++entry) {
    text += " " + std::to_string(entry->first.value()) + ":" + to_string(entry->second.ballot);
  }
  return text;
}

}  // namespace

void SafetyCheck::recovered(NodeId node, const Remembered& before, const engine::Recovered& found) {
  for (const std::string& text : before.untold) violated("damage", node, text);
  const bool excused = before.log_lost || before.blocks_lost ||
                       (before.torn && found.repair_through > before.synced);
  if (!found.damage.empty() && !excused) {
    violated("damage", node, "calls damaged what is whole: " + found.damage);
  }
  const Height height = found.applied.height();
  if (!before.blocks_lost && height < before.synced) {
    violated("regress", node,
             "finds blocks up to " + std::to_string(height.value()) + " of the " +
                 std::to_string(before.synced.value()) + " that were synced");
  }
  if (before.log_lost) return;
  const Slot above = std::max(found.log_complete_above, slot_of(height));
  const Height durable = std::max({height, found.repair_through, before.synced});
  if (found.log_complete_above > slot_of(durable)) {
    violated("regress", node,
             "its log is complete above slot " + std::to_string(found.log_complete_above.value()) +
                 " only, and blocks stand for what was up to height " +
                 std::to_string(durable.value()));
  }
  paxos::DurableState expected = before.durable;
  // A group of writes is there as a whole or not at all, and no write without those before it.
  std::size_t kept = 0;
  const Slot exact = std::max(above, slot_of(before.decided));
  while (!amounts_to(expected, found.durable, above, exact)) {
    if (kept == before.pending.size()) {
      violated("regress", node,
               "its log says " + in_short(found.durable, above) + " where it was told of " +
                   in_short(before.durable, above) + " with " +
                   std::to_string(before.pending.size()) + " writes pending");
      return;
    }
    for (const auto& record : before.pending[kept].records) expected.replay(record);
    ++kept;
  }
}

bool SafetyCheck::is_chosen(const ledger::Block& block) const {
  const auto slot = votes_.find(slot_of(block.header.height));
  if (slot == votes_.end()) return false;
  return std::any_of(slot->second.begin(), slot->second.end(), [&](const auto& entry) {
    const Votes& votes = entry.second;
    if (!membership_.is_quorum(votes.accepted_by)) return false;
    const auto batch = engine::decode_batch(votes.value);
    return batch.ok() && batch->ops == block.ops &&
           batch->commands.size() == block.header.op_count &&
           batch->timestamp <= block.header.timestamp;
  });
}

void SafetyCheck::block_decided(NodeId node, const ledger::Block& block) {
  const Height height = block.header.height;
  const auto where = "height " + std::to_string(height.value()) + " " + describe_block(block);
  if (height != next_[node]) {
    violated(
        "chain", node,
        "decides " + where + " but height " + std::to_string(next_[node].value()) + " is next");
    return;
  }
  next_[node] = height.next();
  if (height <= history_.height()) {
    if (history_.block(height).hash != block.hash) {
      violated("value", node,
               "decides " + where + " where " + describe_block(history_.block(height)) +
                   " was decided before");
    }
    return;
  }
  // Node chains have no gaps, so the first node to decide a height knows all heights below it.
  if (height != history_.height().next()) {
    violated("chain", node, "decides " + where + " above a height that nobody decided");
    return;
  }
  const Digest previous =
      height == Height(1) ? genesis_ : history_.block(Height(height.value() - 1)).hash;
  if (block.header.previous != previous) violated("chain", node, where + " does not link");
  if (!is_chosen(block)) {
    violated("chosen", node, "decides " + where + " without a quorum that accepted it durably");
  }
  const std::string complaint = history_.append(block);
  if (!complaint.empty()) violated("exactly-once", node, complaint);
}

void SafetyCheck::block_read(NodeId node, Height height, const SharedBytes& octets) {
  if (height > history_.height()) return;  // its own blocks tell more of that
  if (ledger::encode_block(history_.block(height)) == octets.view()) return;
  violated("damage", node,
           "reads a block that is not what was decided at height " +
               std::to_string(height.value()) + ", and does not notice");
}

void SafetyCheck::head_seen(NodeId node, const paxos::Head& head) {
  if (head.height.next() != next_[node]) {
    violated("chain", node,
             "says height " + std::to_string(head.height.value()) +
                 " but has handed out blocks to " + std::to_string(next_[node].value() - 1));
  } else if (head.height > Height(0) && head.height <= history_.height() &&
             history_.block(head.height).hash != head.hash) {
    violated("chain", node, "has another head at height " + std::to_string(head.height.value()));
  }
}

void SafetyCheck::result_given(NodeId node, SessionId session, Sequence sequence,
                               const kv::CommandResult& result) {
  const bool definite = result.code == ErrorCode::ok || result.code == ErrorCode::not_found ||
                        result.code == ErrorCode::compare_failed;
  if (!definite) return;
  const auto* outcome = history_.outcome(session, sequence);
  const std::string which = "session " + std::to_string(session.value()) + " sequence " +
                            std::to_string(sequence.value());
  if (outcome == nullptr) {
    violated("exactly-once", node, "answers " + which + " though no block holds it");
  } else if (sequence != Sequence(0) && !history_.came_to(session, sequence, result)) {
    violated("exactly-once", node, "gives " + which + " a result that it did not come to");
  }
}

void SafetyCheck::read_answered(NodeId node, const std::string& key, Height height,
                                const kv::CommandResult& result) {
  if (result.code != ErrorCode::ok && result.code != ErrorCode::not_found) return;
  const Version version = history_.at(key, height);
  const bool found = result.code == ErrorCode::ok;
  const bool equal = found ? version.value && *version.value == result.value.view() &&
                                 version.revision == result.revision
                           : !version.value;
  if (height > history_.height() || !equal) {
    violated("read", node,
             "reads " + key + "=" + (found ? std::string(result.value.view()) : "nothing") +
                 " at height " + std::to_string(height.value()) + " where it is " +
                 version.value.value_or("nothing"));
  }
}

void SafetyCheck::scan_answered(NodeId node, const std::string& prefix, const std::string& after,
                                std::size_t count_max, Height height, const kv::ScanPage& page) {
  std::vector<std::pair<std::string, std::string>> expected;
  for (const auto& [key, versions] : history_.versions()) {
    if (!key.starts_with(prefix) || key <= after) continue;
    const Version version = history_.at(key, height);
    if (version.value) expected.emplace_back(key, *version.value);
  }
  const bool whole = page.items.size() == expected.size();
  bool equal =
      page.items.size() <= expected.size() && page.items.size() <= count_max && page.more == !whole;
  for (std::size_t i = 0; equal && i < page.items.size(); ++i) {
    equal =
        page.items[i].key == expected[i].first && page.items[i].value.view() == expected[i].second;
  }
  if (!equal) {
    violated("read", node,
             "scans " + prefix + " at height " + std::to_string(height.value()) +
                 " and finds something else than the history holds");
  }
}

}  // namespace paxledger::sim
