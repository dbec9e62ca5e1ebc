// Misfortunes of several steps, each of which leads where chance alone hardly ever does.
#include <utility>

#include "sim/faults.hpp"

namespace paxledger::sim {

using std::chrono::milliseconds;

namespace {

constexpr Duration kLook = milliseconds(1);

std::vector<Link> from_one(NodeId from, const std::vector<NodeId>& to) {
  std::vector<Link> links;
  links.reserve(to.size());
  for (const NodeId node : to) links.push_back({from, node});
  return links;
}

}  // namespace

NodeId Faults::leader() const {
  for (const NodeId node : world_.nodes()) {
    if (world_.running(node) && world_.replica(node).role() == engine::Role::leader) return node;
  }
  return kNobody;
}

// A leader's Accepts reach one node only. That one votes, loses its disk, and comes back by the
// help of nodes that know nothing of it. Then the leader reaches just as many of these as would
// make a majority together with the vote that is forgotten, and some of them have started anew
// since they helped: that vote must not count.
void Faults::forget_a_vote() {
  const auto nodes = world_.nodes();
  const NodeId leads = leader();
  if (leads == kNobody || nodes.size() < 4) return;
  std::vector<NodeId> rest;
  for (const NodeId node : nodes) {
    if (node != leads) rest.push_back(node);
  }
  std::swap(rest.back(), rest[prng_.below(rest.size())]);
  const NodeId forgetful = rest.back();
  rest.pop_back();
  if (!whole(forgetful) || !may_lose(forgetful)) return;
  std::swap(rest.front(), rest[prng_.below(rest.size())]);
  const std::vector<NodeId> late(
      rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>((nodes.size() / 2 + 1) - 2));
  cut(from_one(leads, rest), "node " + std::to_string(leads.value()) + " reaches only node " +
                                 std::to_string(forgetful.value()));
  const bool restarts = prng_.chance(1, 2);
  const Duration soon = milliseconds(prng_.between(2, 25));
  after_(soon, [this, leads, forgetful, late, restarts] {
    if (!may_lose(forgetful)) return;
    cut({{leads, forgetful}, {forgetful, leads}}, "");
    act(FaultKind::lose_disk, forgetful);
    after_(kLook, [this, leads, forgetful, late, restarts] {
      act(FaultKind::start, forgetful);
      once_rejoined(forgetful, 200, [this, leads, late, restarts] {
        for (const NodeId node : late) {
          if (restarts) act(FaultKind::kill, node);
          if (restarts) act(FaultKind::start, node);
        }
        Fault mend;
        mend.kind = FaultKind::mend;
        mend.links = from_one(leads, late);
        act_(mend);
      });
    });
  });
}

// Does `what` once the node knows how far its forgotten votes reach.
void Faults::once_rejoined(NodeId node, int looks, std::function<void()> what) {
  if (!world_.running(node) || looks == 0) return;
  const auto status = world_.status(node);
  if (!status.abstaining || status.repair_through > Height(0)) {
    what();
    return;
  }
  after_(kLook,
         [this, node, looks, what = std::move(what)] { once_rejoined(node, looks - 1, what); });
}

// A node that was away for long, and has much to fetch, hears everybody and is heard by nobody.
void Faults::fall_mute() {
  const NodeId mute = victim();
  std::vector<NodeId> others;
  for (const NodeId node : world_.nodes()) {
    if (node != mute) others.push_back(node);
  }
  act(FaultKind::kill, mute);
  after_(milliseconds(prng_.between(200, 1500)), [this, mute, others] {
    cut(from_one(mute, others), "nobody hears node " + std::to_string(mute.value()));
    act(FaultKind::start, mute);
  });
}

// Always the same node: one that lies is no majority.
void Faults::corrupt_a_link() {
  if (world_.nodes().size() < 3) return;
  if (liar_ == kNobody) liar_ = victim();
  act_for(FaultKind::tamper, liar_, milliseconds(prng_.between(50, 2000)));
}

}  // namespace paxledger::sim
