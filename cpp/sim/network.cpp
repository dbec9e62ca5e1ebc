#include "sim/network.hpp"

#include <algorithm>
#include <chrono>

namespace paxledger::sim {

namespace {

using std::chrono::microseconds;

constexpr std::uint64_t kCalmLatencyUsMax = 500;
constexpr std::int64_t kSlowFactor = 20;

}  // namespace

Duration Network::latency() {
  if (calm_) return microseconds(prng_.between(1, kCalmLatencyUsMax));
  Duration delay = microseconds(prng_.between(profile_.latency_us_min, profile_.latency_us_max));
  if (profile_.slow_permille > 0 && prng_.chance(profile_.slow_permille, 1000)) {
    delay *= kSlowFactor;
  }
  return delay;
}

Instant Network::keep_order(const Link& link, Instant arrival) {
  Instant& last = last_arrival_[link];
  last = std::max(arrival, last + Duration(1));
  return last;
}

Network::Fate Network::fate_of(const Link& link, Instant now) {
  Fate fate;
  Duration delay = latency();
  const auto found = effects_.find(link);
  const LinkEffect effect = found == effects_.end() ? LinkEffect{} : found->second;
  if (!calm_ && profile_.drop_permille > 0 && prng_.chance(profile_.drop_permille, 1000)) {
    return fate;
  }
  if (effect.drop_permille > 0 && prng_.chance(effect.drop_permille, 1000)) return fate;
  delay += effect.delay;
  if (effect.jitter > Duration::zero()) {
    delay += Duration(prng_.below(static_cast<std::uint64_t>(effect.jitter.count()) + 1));
  }
  bool overtaken = false;
  if (effect.reorder_permille > 0 && prng_.chance(effect.reorder_permille, 1000)) {
    overtaken = true;
    delay += 3 * latency();
  }
  const bool ordered = profile_.in_order && !overtaken;
  fate.arrives_after = ordered ? keep_order(link, now + delay) - now : delay;
  const std::uint64_t twice = (calm_ ? 0 : profile_.duplicate_permille) + effect.duplicate_permille;
  if (twice > 0 && prng_.chance(std::min<std::uint64_t>(twice, 1000), 1000)) {
    fate.copy_after = *fate.arrives_after + 10 * latency();
  }
  return fate;
}

void Network::disturb(const Link& link, const LinkEffect& effect) {
  if (effect == LinkEffect{}) {
    effects_.erase(link);
  } else {
    effects_[link] = effect;
  }
}

}  // namespace paxledger::sim
