// Fetching decided blocks that this node missed, and offering them to peers that lag.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/prng.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "paxos/election.hpp"

namespace paxledger::engine {

// Decides when to fetch, from whom, and to whom to push. One fetch is under way at a time; a peer
// that does not answer, or answers with nothing useful, is passed over for the next one.
class CatchUp {
 public:
  CatchUp(Duration patience, Duration answer_timeout, Seed seed)
      : patience_(patience), answer_timeout_(answer_timeout), prng_(seed) {}

  // The node's own height moved.
  void on_progress(Instant now) { progressed_at_ = now; }

  struct Fetch {
    NodeId peer;
    Height first;  // the first block that was asked for
    Instant sent_at;
    bool useless = false;  // it was answered, and the node stands where it stood
  };
  [[nodiscard]] const std::optional<Fetch>& fetch() const { return fetch_; }

  // Whether somebody is ahead and nothing moved for a while (`urgent`: at once): the peer to fetch
  // from. The caller sends FetchBlocks.
  std::optional<NodeId> pick(const paxos::Election& election, Height own, Instant now, bool urgent);
  // Blocks from `first` on came from `from`, and the node stands at `own` now. Only the answer to
  // what was asked ends a fetch: old answers and copies of them must not make new questions, or
  // each of those has an answer, too, and they would be ever more. An answer that was of no use
  // ends it after a while, and not at once, for the same reason. Gives whether a fetch ended, so
  // that the next question may be asked.
  bool on_blocks(NodeId from, Height first, Height own) {
    if (!fetch_ || fetch_->peer != from || fetch_->first != first) return false;
    if (own < first) {
      fetch_->useless = true;
      return false;
    }
    fetch_.reset();
    return true;
  }
  // Whether it is time to push blocks to `peer`, whose heartbeat says that it stands at `height`:
  // it stood there before, and nothing was pushed lately.
  bool should_push(NodeId peer, Height height, Height own, Instant now);

  void hash_into(StateHasher& hasher) const;

 private:
  struct PeerProgress {
    Height height;
    Instant since;
    Instant pushed_at;
    bool pushed = false;
  };
  Duration patience_;
  Duration answer_timeout_;
  Prng prng_;
  Instant progressed_at_;
  std::optional<Fetch> fetch_;
  std::optional<NodeId> last_asked_;  // passed over next time, if there is another one
  std::map<NodeId, PeerProgress> progress_;
};

}  // namespace paxledger::engine
