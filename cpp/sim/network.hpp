// What becomes of a message on its way: the network of a simulated cluster.
#pragma once

#include <map>
#include <optional>

#include "base/ids.hpp"
#include "base/prng.hpp"
#include "base/time.hpp"
#include "sim/fault.hpp"

namespace paxledger::sim {

// How the network behaves while nobody disturbs it.
struct NetworkProfile {
  std::uint64_t latency_us_min = 1;
  std::uint64_t latency_us_max = 1000;
  std::uint64_t drop_permille = 0;
  std::uint64_t duplicate_permille = 0;
  std::uint64_t slow_permille = 0;  // messages that take twenty times as long
  bool in_order = false;            // messages of one link do not overtake each other, as over TCP
};

// Deterministic: equal seeds and calls give equal fates.
class Network {
 public:
  Network(const NetworkProfile& profile, Prng prng) : profile_(profile), prng_(prng) {}

  struct Fate {
    std::optional<Duration> arrives_after;  // nothing: it is lost
    std::optional<Duration> copy_after;     // a second copy arrives, too
  };
  [[nodiscard]] Fate fate_of(const Link& link, Instant now);

  // Replaces what was said of the link before.
  void disturb(const Link& link, const LinkEffect& effect);
  // From now on messages neither get lost nor linger, nor wait for those that do.
  void calm_down() {
    calm_ = true;
    last_arrival_.clear();
  }
  void clear_effects() { effects_.clear(); }

 private:
  [[nodiscard]] Duration latency();
  [[nodiscard]] Instant keep_order(const Link& link, Instant arrival);

  NetworkProfile profile_;
  Prng prng_;
  bool calm_ = false;
  std::map<Link, LinkEffect> effects_;
  std::map<Link, Instant> last_arrival_;
};

}  // namespace paxledger::sim
