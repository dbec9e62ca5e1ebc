#include "sim/event.hpp"

#include <type_traits>
#include <variant>

namespace paxledger::sim {

namespace {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

std::size_t size_of(const paxos::Message& message) {
  return std::visit(
      Overloaded{[](const paxos::Accept& m) { return m.value.size(); },
                 [](const paxos::Promise& m) { return m.accepted.size(); },
                 [](const paxos::Forward& m) { return m.command.size(); },
                 [](const paxos::Blocks& m) { return m.blocks.size(); },
                 [](const paxos::ForwardReply& m) { return static_cast<std::size_t>(m.id); },
                 [](const auto&) { return std::size_t{0}; }},
      message);
}

}  // namespace

std::string_view to_string(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::message:
      return "message";
    case Event::Kind::arrived:
      return "arrived";
    case Event::Kind::lost:
      return "lost";
    case Event::Kind::dropped:
      return "dropped";
    case Event::Kind::log:
      return "log";
    case Event::Kind::durable:
      return "durable";
    case Event::Kind::block:
      return "block";
    case Event::Kind::reply:
      return "reply";
    case Event::Kind::role:
      return "role";
    case Event::Kind::notice:
      return "notice";
    case Event::Kind::fault:
      break;
  }
  return "fault";
}

Subject subject_of(const paxos::Message& message) {
  return std::visit(
      []<class Body>(const Body& body) {
        Subject subject;
        if constexpr (std::is_same_v<Body, paxos::Heartbeat>) {
          subject.ballot = body.promised;
          subject.slot = body.decided;
        } else if constexpr (std::is_same_v<Body, paxos::Nack>) {
          subject.ballot = body.promised;
        } else if constexpr (std::is_same_v<Body, paxos::Prepare> ||
                             std::is_same_v<Body, paxos::Promise>) {
          subject.ballot = body.ballot;
          subject.slot = body.first;
        } else if constexpr (std::is_same_v<Body, paxos::Accept> ||
                             std::is_same_v<Body, paxos::Accepted>) {
          subject.ballot = body.ballot;
          subject.slot = body.slot;
        } else if constexpr (std::is_same_v<Body, paxos::FetchBlocks> ||
                             std::is_same_v<Body, paxos::Blocks>) {
          subject.slot = slot_of(body.first);
        } else if constexpr (std::is_same_v<Body, paxos::ReadIndexReply>) {
          subject.slot = body.index;
        } else if constexpr (requires { body.ballot; }) {
          subject.ballot = body.ballot;
        }
        return subject;
      },
      message);
}

void add_to(TraceHash& hash, const paxos::Message& message) {
  const Subject subject = subject_of(message);
  hash.add(message.index());
  hash.add(subject.ballot.round.value());
  hash.add(subject.ballot.node.value());
  hash.add(subject.slot.value());
  hash.add(size_of(message));
}

}  // namespace paxledger::sim
