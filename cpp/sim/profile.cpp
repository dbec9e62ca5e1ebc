#include "sim/profile.hpp"

#include <algorithm>
#include <iterator>

#include "kv/command.hpp"

namespace paxledger::sim {

namespace {

using std::chrono::milliseconds;

void draw_settings(Prng& prng, Options& options) {
  static constexpr std::uint32_t kSizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7};
  options.nodes = kSizes[prng.below(std::size(kSizes))];
  options.timing.heartbeat_interval = milliseconds(prng.between(3, 30));
  options.timing.election_timeout =
      options.timing.heartbeat_interval * static_cast<std::int64_t>(prng.between(4, 10));
  options.timing.resend_interval =
      options.timing.heartbeat_interval * static_cast<std::int64_t>(prng.between(1, 4));
  engine::Limits& limits = options.limits;
  limits.window_slots = prng.chance(1, 3) ? prng.between(1, 3) : prng.between(4, 64);
  limits.batch_commands_max = prng.chance(1, 3) ? prng.between(1, 3) : prng.between(4, 100);
  if (prng.chance(1, 3)) limits.batch_bytes_max = prng.between(1, 300);
  if (prng.chance(1, 4)) limits.window_bytes = prng.between(1, 1000);
  if (prng.chance(1, 3)) limits.catch_up_bytes = prng.between(1, 2000);
  if (prng.chance(1, 5)) limits.queue_commands_max = prng.between(1, 8);
  if (prng.chance(1, 8)) limits.queue_bytes_max = prng.between(200, 2000);
  if (prng.chance(1, 5)) limits.pending_requests_max = prng.between(4, 16);
  options.work_bits = prng.chance(1, 8) ? 3 : 0;
}

}  // namespace

Profile Profile::draw(Prng& prng) {
  Profile profile;
  draw_settings(prng, profile.options);
  const auto heartbeat_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     profile.options.timing.heartbeat_interval)
                                     .count());
  profile.latency_us_max = prng.between(100, heartbeat_us * (prng.chance(1, 4) ? 3 : 1));
  profile.disk_us_max = prng.between(50, heartbeat_us * 2);
  if (prng.chance(2, 3)) profile.drop_permille = prng.between(0, 200);
  if (prng.chance(1, 2)) profile.duplicate_permille = prng.between(0, 200);
  if (prng.chance(1, 2)) profile.slow_permille = prng.between(0, 100);
  profile.fault_every_ms = prng.between(20, 400);
  profile.crashes = prng.chance(2, 3);
  profile.partitions = prng.chance(2, 3);
  profile.wipes = prng.chance(1, 3);
  profile.pauses = prng.chance(1, 3);
  profile.slow_disks = prng.chance(1, 3);
  profile.clock_jumps = prng.chance(1, 4);
  profile.clients = prng.between(1, 5);
  profile.pipeline = prng.chance(1, 2) ? 1 : prng.between(2, 12);
  profile.operations = prng.between(10, 60);
  profile.think_us_max = prng.between(100, 60'000);
  profile.keys = prng.between(1, 6);
  profile.session_ms =
      prng.chance(1, 5) ? kv::kSessionMillisecondsMin : std::uint64_t{kv::kSessionMillisecondsMax};
  profile.patience_ms_max = prng.between(20, 1500);
  if (profile.session_ms == kv::kSessionMillisecondsMin) {
    // A session id is used again by nobody, but an old request to open it may still be on its way
    // when it has expired. Requests therefore live shorter than sessions, here as in the client.
    profile.patience_ms_max = std::min<std::uint64_t>(profile.patience_ms_max, 200);
    profile.clock_jumps = false;
  }
  if (prng.chance(1, 5)) {
    // A run about lost disks: little else happens, so that the nodes come far enough to rejoin.
    profile.options.nodes = prng.chance(2, 3) ? 3 : 5;
    profile.wipes = true;
    profile.disasters_in_ten = 9;
    profile.partitions = profile.pauses = false;
    profile.drop_permille = prng.below(30);
    profile.fault_every_ms = prng.between(200, 900);
    profile.latency_us_max = prng.between(100, 3000);
    profile.disk_us_max = prng.between(50, 3000);
    profile.think_us_max = prng.between(100, 10'000);
    profile.operations = prng.between(40, 150);
  }
  profile.safety_phase = milliseconds(prng.between(500, 6000));
  if (prng.chance(1, 3)) profile.close_permille = prng.between(20, 300);
  if (profile.session_ms == kv::kSessionMillisecondsMin && prng.chance(1, 2)) {
    // Such a client sends late copies too; none of them is under way for longer than a session that
    // has expired is remembered.
    profile.rest_permille = prng.between(50, 300);
    profile.slow_permille = 0;
    profile.pauses = false;
    profile.clients = std::max<std::uint64_t>(profile.clients, 2);
    profile.safety_phase = milliseconds(prng.between(4000, 9000));
  }
  return profile;
}

std::string Profile::describe() const {
  const auto ms = [](Duration d) {
    return std::to_string(std::chrono::duration_cast<milliseconds>(d).count()) + "ms";
  };
  std::string text =
      std::to_string(options.nodes) + " nodes, heartbeat " + ms(options.timing.heartbeat_interval) +
      ", election " + ms(options.timing.election_timeout) + ", window " +
      std::to_string(options.limits.window_slots) + ", batch " +
      std::to_string(options.limits.batch_commands_max) + ", " + std::to_string(clients) +
      " clients × " + std::to_string(pipeline) + ", drop " + std::to_string(drop_permille) +
      "‰, duplicate " + std::to_string(duplicate_permille) + "‰";
  if (crashes) text += ", crashes";
  if (partitions) text += ", partitions";
  if (wipes) text += ", wipes";
  if (pauses) text += ", pauses";
  if (slow_disks) text += ", slow disks";
  if (clock_jumps) text += ", clock jumps";
  if (rest_permille > 0) text += ", resting clients";
  if (close_permille > 0) text += ", closed sessions";
  return text;
}

}  // namespace paxledger::sim
