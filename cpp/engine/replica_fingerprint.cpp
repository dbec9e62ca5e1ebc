// A replica's state as a fingerprint.

#include "engine/replica_impl.hpp"

namespace paxledger::engine {

namespace {

void hash_into(StateHasher& hasher, const Settings& settings) {
  const auto& [self, cluster, timing, limits, work_bits] = settings;
  hasher.add(self, cluster, work_bits);
  const auto& [heartbeat_interval, election_timeout, resend_interval, batch_wait_max] = timing;
  hasher.add(heartbeat_interval.count(), election_timeout.count(), resend_interval.count(),
             batch_wait_max.count());
  const auto& [batch_bytes_max, batch_commands_max, window_slots, window_bytes, queue_commands_max,
               queue_bytes_max, pending_requests_max, pending_bytes_max, catch_up_bytes] = limits;
  hasher.add(batch_bytes_max, batch_commands_max, window_slots, window_bytes, queue_commands_max,
             queue_bytes_max, pending_requests_max, pending_bytes_max, catch_up_bytes);
}

}  // namespace

void Replica::Impl::hash_into(StateHasher& hasher) const {
  const auto& [membership, settings, peers, acceptor, generations, abstain_record, applied, learner,
               election, candidate, failed_candidacies, leader, inherited, barrier, requests,
               batch_wait, batch_leaves_at, reads, read_wait, round_begins_at, ask_again_at,
               catch_up, rejoin, bounds_ticket, abstain_through, repair_through, blocks_synced,
               sync_asked, was_repairing, damage, conflicts, agreeing, halted, implausible,
               last_ticket, durable_ticket, own_acceptances, own_promise, undurable,
               undurable_bytes, log_moved_at, choked_since, heartbeat_at, housekeeping_at,
               leader_changes, last_leader, wall, now, out] = *this;
  // Tickets are compared with each other and nothing else, so only their distance from the last
  // durable one counts; how many were handed out before is history.
  const auto relative = [&](Ticket ticket) {
    return ticket <= durable_ticket_ ? 0 : ticket.value() - durable_ticket_.value();
  };
  engine::hash_into(hasher, settings);
  hasher.add(membership.voters(), acceptor, generations, abstain_record, applied, learner, election,
             candidate, failed_candidacies, leader);
  if (leader) hasher.add(inherited, barrier, batch_wait, batch_leaves_at);
  hasher.add(requests, reads, read_wait, round_begins_at, ask_again_at, catch_up, rejoin,
             relative(bounds_ticket), abstain_through, repair_through, blocks_synced, sync_asked,
             was_repairing, damage, conflicts, agreeing, halted, implausible, relative(last_ticket),
             own_acceptances.size());
  for (const auto& [ticket, slot] : own_acceptances) hasher.add(relative(ticket), slot);
  hasher.add(own_promise.has_value(), own_promise ? relative(*own_promise) : 0, undurable.size());
  for (const auto& [ticket, bytes] : undurable) hasher.add(relative(ticket), bytes);
  hasher.add(undurable_bytes, choked_since, heartbeat_at, housekeeping_at, last_leader, wall);
  // Since when the log has not moved is asked only while it has something to do.
  if (!log_is_idle()) hasher.add(log_moved_at);
}

}  // namespace paxledger::engine
