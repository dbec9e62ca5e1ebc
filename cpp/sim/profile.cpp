#include "sim/profile.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/invariant.hpp"
#include "kv/command.hpp"

namespace paxledger::sim {

namespace {

using std::chrono::milliseconds;

void draw_settings(Prng& prng, Options& options) {
  static constexpr std::uint32_t kSizes[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7, 8, 9};
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
  if (prng.chance(1, 3)) limits.catch_up_bytes = prng.between(1, prng.chance(1, 2) ? 300 : 2000);
  if (prng.chance(1, 5)) limits.queue_commands_max = prng.between(1, 8);
  if (prng.chance(1, 8)) limits.queue_bytes_max = prng.between(200, 2000);
  if (prng.chance(1, 5)) limits.pending_requests_max = prng.between(4, 16);
  options.work_bits = prng.chance(1, 8) ? 3 : 0;
}

// None, as long as by default, or up to half of the time after which messages are sent again.
void draw_batch_wait(Prng& prng, engine::Timing& timing) {
  if (prng.chance(1, 3)) {
    timing.batch_wait_max = Duration::zero();
  } else if (prng.chance(1, 2)) {
    timing.batch_wait_max =
        timing.resend_interval * static_cast<std::int64_t>(prng.between(1, 50)) / 100;
  }
  timing.batch_wait_max = std::min(timing.batch_wait_max, timing.resend_interval / 2);
}

std::uint64_t microseconds_of(Duration duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

void draw_network(Prng& prng, std::uint64_t heartbeat_us, NetworkProfile& network) {
  network.latency_us_max = prng.between(100, heartbeat_us * (prng.chance(1, 4) ? 3 : 1));
  if (prng.chance(2, 3)) network.drop_permille = prng.between(0, 200);
  if (prng.chance(1, 2)) network.duplicate_permille = prng.between(0, 200);
  if (prng.chance(1, 2)) network.slow_permille = prng.between(0, 100);
  network.in_order = prng.chance(1, 3);
}

void draw_faults(Prng& prng, FaultProfile& faults) {
  faults.every_ms = prng.between(20, 400);
  faults.crashes = prng.chance(2, 3);
  faults.kills = prng.chance(1, 2);
  faults.partitions = prng.chance(2, 3);
  faults.links = prng.chance(1, 3);
  faults.disks = prng.chance(1, 3);
  faults.pauses = prng.chance(1, 3);
  faults.slow_disks = prng.chance(1, 3);
  faults.clocks = prng.chance(1, 4);
  faults.tampering = prng.chance(1, 6);
  faults.forgery = prng.chance(1, 6);
}

void draw_work(Prng& prng, WorkProfile& work) {
  work.clients = prng.between(1, 5);
  work.pipeline = prng.chance(1, 2) ? 1 : prng.between(2, 12);
  work.operations = prng.between(10, 60);
  work.think_us_max = prng.between(100, 60'000);
  work.keys = prng.between(1, 6);
  work.session_ms =
      prng.chance(1, 5) ? kv::kSessionMillisecondsMin : std::uint64_t{kv::kSessionMillisecondsMax};
  work.patience_ms_max = prng.between(20, 1500);
}

// A run about lost disks: little else happens, so that the nodes come far enough to rejoin.
void draw_lost_disks(Prng& prng, Profile& profile) {
  static constexpr std::uint32_t kSizes[] = {3, 3, 3, 4, 5, 5};
  profile.options.nodes = kSizes[prng.below(std::size(kSizes))];
  if (prng.chance(1, 2)) {
    // A leader that reaches too few stays long enough to see a node lose its disk and rejoin.
    auto& timing = profile.options.timing;
    timing.election_timeout =
        timing.heartbeat_interval * static_cast<std::int64_t>(prng.between(8, 20));
    timing.resend_interval = timing.heartbeat_interval;
  }
  profile.faults.disks = true;
  profile.faults.disasters_in_ten = 9;
  profile.faults.partitions = profile.faults.pauses = profile.faults.links = false;
  profile.network.drop_permille = prng.below(30);
  profile.faults.every_ms = prng.between(200, 900);
  profile.network.latency_us_max = prng.between(100, 3000);
  profile.disk_us_max = prng.between(50, 3000);
  profile.work.think_us_max = prng.between(100, 10'000);
  profile.work.operations = prng.between(40, 150);
}

// A run about sessions that expire while late copies of their commands are under way.
void draw_resting_clients(Prng& prng, Profile& profile) {
  profile.work.rest_permille = prng.between(50, 300);
  profile.network.slow_permille = 0;
  profile.faults.pauses = profile.faults.links = false;
  profile.work.clients = std::max<std::uint64_t>(profile.work.clients, 2);
  profile.safety_phase = milliseconds(prng.between(4000, 9000));
}

struct FaultName {
  std::string_view name;
  bool FaultProfile::*flag;
};
constexpr FaultName kFaultNames[] = {
    {"crashes", &FaultProfile::crashes},       {"kills", &FaultProfile::kills},
    {"partitions", &FaultProfile::partitions}, {"links", &FaultProfile::links},
    {"disks", &FaultProfile::disks},           {"pauses", &FaultProfile::pauses},
    {"slow_disks", &FaultProfile::slow_disks}, {"clocks", &FaultProfile::clocks},
    {"bit_flips", &FaultProfile::bit_flips},   {"disk_errors", &FaultProfile::disk_errors},
    {"full_disks", &FaultProfile::full_disks}, {"tampering", &FaultProfile::tampering},
    {"forgery", &FaultProfile::forgery},
};

}  // namespace

FaultProfile FaultProfile::all() {
  FaultProfile faults;
  for (const FaultName& each : kFaultNames) faults.*each.flag = true;
  return faults;
}

bool FaultProfile::set(std::string_view kind, bool on) {
  for (const FaultName& each : kFaultNames) {
    if (each.name != kind) continue;
    this->*each.flag = on;
    return true;
  }
  return false;
}

bool FaultProfile::has(std::string_view kind) const {
  for (const FaultName& each : kFaultNames) {
    if (each.name == kind) return this->*each.flag;
  }
  invariant(false, "fault kinds are asked for by their names");
  return false;
}

const std::vector<std::string_view>& FaultProfile::kinds() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const FaultName& each : kFaultNames) all.push_back(each.name);
    return all;
  }();
  return names;
}

bool FaultProfile::any() const {
  return std::any_of(std::begin(kFaultNames), std::end(kFaultNames),
                     [this](const FaultName& each) { return this->*each.flag; });
}

Profile Profile::draw(Prng& prng) {
  Profile profile;
  Prng waits(Seed{Prng(prng).next()});  // of its own: the rest does not depend on it
  draw_settings(prng, profile.options);
  draw_batch_wait(waits, profile.options.timing);
  const std::uint64_t heartbeat_us = microseconds_of(profile.options.timing.heartbeat_interval);
  draw_network(prng, heartbeat_us, profile.network);
  profile.disk_us_max = prng.between(50, heartbeat_us * 2);
  draw_faults(prng, profile.faults);
  draw_work(prng, profile.work);
  const bool short_sessions = profile.work.session_ms == kv::kSessionMillisecondsMin;
  if (short_sessions) {
    // A session id is used again by nobody, but an old request to open it may still be on its way
    // when it has expired. Requests therefore live shorter than sessions, here as in the client.
    profile.work.patience_ms_max = std::min<std::uint64_t>(profile.work.patience_ms_max, 200);
    profile.faults.clocks = false;
  }
  if (prng.chance(1, 5)) draw_lost_disks(prng, profile);
  profile.safety_phase = milliseconds(prng.between(500, 6000));
  if (prng.chance(1, 3)) profile.work.close_permille = prng.between(20, 300);
  // None of the late copies is under way for longer than an expired session is remembered.
  if (short_sessions && prng.chance(1, 2)) draw_resting_clients(prng, profile);
  profile.options.disk.segment_bytes = prng.between(16, 128) * storage::kSectorBytes;
  profile.options.disk.block_file_bytes = prng.between(16'384, 262'144);
  profile.faults.bit_flips = prng.chance(1, 4);
  profile.faults.disk_errors = prng.chance(1, 4);
  profile.faults.full_disks = prng.chance(1, 6);
  return profile;
}

Profile Profile::usual() {
  Profile profile;
  profile.options.nodes = 3;
  profile.network.latency_us_min = 100;
  profile.network.latency_us_max = 600;
  profile.disk_us_max = 2000;
  profile.faults.every_ms = 1000;
  profile.work.clients = 4;
  profile.work.operations = UINT64_MAX;
  profile.work.think_us_max = 40'000;
  profile.work.keys = 100;
  profile.work.session_ms = std::uint64_t{10} * 60 * 1000;
  profile.work.patience_ms_max = 2000;
  profile.safety_phase = std::chrono::seconds(10);
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
      std::to_string(options.limits.batch_commands_max) + ", " + std::to_string(work.clients) +
      " clients × " + std::to_string(work.pipeline) + ", latency " +
      std::to_string(network.latency_us_max) + "µs, disk " + std::to_string(disk_us_max) +
      "µs, drop " + std::to_string(network.drop_permille) + "‰, duplicate " +
      std::to_string(network.duplicate_permille) + "‰";
  if (network.in_order) text += ", links in order";
  for (const FaultName& each : kFaultNames) {
    if (faults.*each.flag) text += ", " + std::string(each.name);
  }
  if (work.rest_permille > 0) text += ", resting clients";
  if (work.close_permille > 0) text += ", closed sessions";
  return text;
}

}  // namespace paxledger::sim
