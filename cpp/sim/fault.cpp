#include "sim/fault.hpp"

#include <algorithm>
#include <chrono>

namespace paxledger::sim {

namespace {

std::string milliseconds_text(Duration duration) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return std::to_string(us / 1000) + "." + std::to_string(us % 1000 / 100) + "ms";
}

std::string links_text(const std::vector<Link>& links) {
  std::string text;
  for (const Link& link : links) {
    text += " " + std::to_string(link.from.value()) + "→" + std::to_string(link.to.value());
  }
  return text;
}

std::string effect_text(const LinkEffect& effect) {
  std::string text;
  if (effect.drop_permille > 0) text += " drop " + std::to_string(effect.drop_permille) + "‰";
  if (effect.duplicate_permille > 0) {
    text += " duplicate " + std::to_string(effect.duplicate_permille) + "‰";
  }
  if (effect.reorder_permille > 0) {
    text += " reorder " + std::to_string(effect.reorder_permille) + "‰";
  }
  if (effect.delay > Duration::zero()) text += " delay " + milliseconds_text(effect.delay);
  if (effect.jitter > Duration::zero()) text += " jitter " + milliseconds_text(effect.jitter);
  return text.empty() ? " nothing" : text;
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::cut:
      return "cut";
    case FaultKind::mend:
      return "mend";
    case FaultKind::disturb:
      return "disturb";
    case FaultKind::crash:
      return "crash";
    case FaultKind::kill:
      return "kill";
    case FaultKind::start:
      return "start";
    case FaultKind::pause:
      return "pause";
    case FaultKind::resume:
      return "resume";
    case FaultKind::lose_disk:
      return "lose_disk";
    case FaultKind::damage:
      return "damage";
    case FaultKind::flip_bit:
      return "flip_bit";
    case FaultKind::fail_sync:
      return "fail_sync";
    case FaultKind::fail_write:
      return "fail_write";
    case FaultKind::full_disk:
      return "full_disk";
    case FaultKind::slow_disk:
      return "slow_disk";
    case FaultKind::tamper:
      return "tamper";
    case FaultKind::clock_jump:
      return "clock_jump";
    case FaultKind::clock_rate:
      return "clock_rate";
    case FaultKind::heal:
      break;
  }
  return "heal";
}

std::string_view to_string(SimulatedDisk::Unsynced unsynced) {
  switch (unsynced) {
    case SimulatedDisk::Unsynced::lost:
      return "lost";
    case SimulatedDisk::Unsynced::kept:
      return "kept";
    case SimulatedDisk::Unsynced::random:
      return "random";
    case SimulatedDisk::Unsynced::torn:
      break;
  }
  return "torn";
}

std::string describe(const Fault& fault) {
  if (!fault.label.empty()) return fault.label;
  std::string text(to_string(fault.kind));
  if (fault.node != kNobody) text += " node " + std::to_string(fault.node.value());
  text += links_text(fault.links);
  switch (fault.kind) {
    case FaultKind::disturb:
      text += effect_text(fault.effect);
      break;
    case FaultKind::full_disk:
      text += " but for " + std::to_string(fault.amount) + " octets";
      [[fallthrough]];
    case FaultKind::pause:
    case FaultKind::slow_disk:
    case FaultKind::tamper:
      if (fault.duration > Duration::zero()) text += " for " + milliseconds_text(fault.duration);
      break;
    case FaultKind::clock_jump:
      text += " by " + std::to_string(fault.amount / 1000) + "ms";
      break;
    case FaultKind::clock_rate:
      text += " by " + std::to_string(fault.amount) + "ppm";
      break;
    default:
      break;
  }
  return text;
}

bool names_above(const Fault& fault, std::uint32_t nodes) {
  return fault.node.value() > nodes ||
         std::any_of(fault.links.begin(), fault.links.end(), [nodes](const Link& link) {
           return link.from.value() > nodes || link.to.value() > nodes;
         });
}

}  // namespace paxledger::sim
