#include "cli/chain_compare.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace paxledger::cli {
namespace {

// Indices into the chains that are compared.
struct Group {
  std::vector<std::size_t> members;
  std::vector<std::size_t> shared;
};

// One attempt. It ends early where a chain cannot be read: `failed` names it then.
class Comparing {
 public:
  explicit Comparing(const std::vector<ComparedChain>& chains) : chains_(chains) {}

  // Precondition: the chains stand longest first.
  std::optional<std::vector<History>> run() {
    for (std::size_t i = 0; i < chains_.size(); ++i) {
      if (!place(i)) return std::nullopt;
    }
    // Which history has most chains of its own decides which one the others part from.
    std::stable_sort(groups_.begin(), groups_.end(), [](const Group& a, const Group& b) {
      return a.members.size() - a.shared.size() > b.members.size() - b.shared.size();
    });
    std::vector<History> histories;
    for (const Group& group : groups_) {
      History& history = histories.emplace_back();
      for (const std::size_t i : group.members) history.names.push_back(chains_[i].name);
      for (const std::size_t i : group.shared) history.shared.push_back(chains_[i].name);
      if (histories.size() > 1 && !find_parting(group, history)) return std::nullopt;
    }
    if (histories.size() > 1) {
      histories[0].parts_at = histories[1].parts_at;
      histories[0].hash = histories[1].other_hash;
      histories[0].other_hash = histories[1].hash;
    }
    return histories;
  }

  [[nodiscard]] std::size_t failed() const { return failed_; }
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  // Puts the chain into every group of which it is a beginning, or into one of its own.
  bool place(std::size_t i) {
    std::vector<Group*> homes;
    for (Group& group : groups_) {
      const auto same = is_beginning(i, group.members.front());
      if (!same) return false;
      if (*same) homes.push_back(&group);
    }
    for (Group* home : homes) {
      home->members.push_back(i);
      if (homes.size() > 1) home->shared.push_back(i);
    }
    if (homes.empty()) groups_.push_back({{i}, {}});
    return true;
  }

  // Whether chain `i` is a beginning of the chain `of`, which is no shorter.
  std::optional<bool> is_beginning(std::size_t i, std::size_t of) {
    if (chains_[i].height == Height(0)) return true;
    if (chains_[i].height == chains_[of].height) return chains_[i].head == chains_[of].head;
    const auto theirs = hash_at(of, chains_[i].height);
    if (!theirs) return std::nullopt;
    return chains_[i].head == *theirs;
  }

  // The first block at which the longest chain of `group` differs from that of the first group.
  bool find_parting(const Group& group, History& history) {
    const std::size_t ours = group.members.front();
    const std::size_t theirs = groups_.front().members.front();
    Height same;  // both have the same block here; before the first block they always do
    Height other = std::min(chains_[ours].height, chains_[theirs].height);
    auto hash = hash_at(ours, other);
    auto other_hash = hash ? hash_at(theirs, other) : std::nullopt;
    while (hash && other_hash && other.value() - same.value() > 1) {
      const Height middle(same.value() + (other.value() - same.value()) / 2);
      const auto left = hash_at(ours, middle);
      const auto right = left ? hash_at(theirs, middle) : std::nullopt;
      if (!right) return false;
      if (*left == *right) {
        same = middle;
      } else {
        other = middle;
        hash = left;
        other_hash = right;
      }
    }
    if (!hash || !other_hash) return false;
    history.parts_at = other;
    history.hash = *hash;
    history.other_hash = *other_hash;
    return true;
  }

  std::optional<std::string> hash_at(std::size_t i, Height height) {
    if (height == chains_[i].height) return chains_[i].head;
    auto hash = chains_[i].hash_at(height);
    if (hash) return std::move(*hash);
    failed_ = i;
    error_ = hash.error();
    return std::nullopt;
  }

  const std::vector<ComparedChain>& chains_;
  std::vector<Group> groups_;
  std::size_t failed_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Comparison compare_chains(std::vector<ComparedChain> chains) {
  std::stable_sort(
      chains.begin(), chains.end(),
      [](const ComparedChain& a, const ComparedChain& b) { return a.height > b.height; });
  Comparison comparison;
  for (;;) {
    Comparing comparing(chains);
    if (auto histories = comparing.run()) {
      comparison.histories = std::move(*histories);
      return comparison;
    }
    const auto failed = chains.begin() + static_cast<std::ptrdiff_t>(comparing.failed());
    comparison.unread.emplace_back(failed->name, comparing.error());
    chains.erase(failed);
  }
}

}  // namespace paxledger::cli
