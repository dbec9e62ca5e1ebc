#include "sim/direct_requests.hpp"

#include <string_view>
#include <utility>

namespace paxledger::sim {

namespace {

// Far above the sessions of the clients (sim/clients.cpp).
constexpr SessionId kSession{std::uint64_t{1} << 40};

std::string_view name_of(DirectRequest::Kind kind) {
  switch (kind) {
    case DirectRequest::Kind::put:
      return "put";
    case DirectRequest::Kind::remove:
      return "delete";
    case DirectRequest::Kind::get:
      return "get";
    case DirectRequest::Kind::get_local:
      break;
  }
  return "get_local";
}

bool is_read(DirectRequest::Kind kind) {
  return kind == DirectRequest::Kind::get || kind == DirectRequest::Kind::get_local;
}

}  // namespace

std::size_t DirectRequests::record(NodeId node, const DirectRequest& request, World& world,
                                   Clients& clients) {
  Recorded recorded;
  recorded.key = request.key;
  recorded.client = clients.count();
  recorded.what = name_of(request.kind);
  recorded.begun = world.now();
  recorded.node = node;
  recorded.attempts = 1;
  recorded.excluded = request.kind == DirectRequest::Kind::get_local;
  recorded.operation.kind = is_read(request.kind) ? RegisterOperation::Kind::read
                            : request.kind == DirectRequest::Kind::remove
                                ? RegisterOperation::Kind::remove
                                : RegisterOperation::Kind::write;
  recorded.operation.invoked = world.tick();
  if (request.kind == DirectRequest::Kind::put) recorded.operation.value = request.value;
  return clients.add(std::move(recorded));
}

void DirectRequests::send(Sent sent, World& world) {
  // The answer may come within the call, so the name of the request is foretold.
  Open& open = open_[world.next_request()];
  open.sent = std::move(sent);
  const NodeId node = open.sent.node;
  const DirectRequest request = open.sent.request;
  const Duration patience = open.sent.patience;
  if (is_read(request.kind)) {
    const bool local = request.kind == DirectRequest::Kind::get_local;
    (void)world.read(node, request.key,
                     local ? engine::ReadConsistency::local : engine::ReadConsistency::linearizable,
                     patience);
    return;
  }
  kv::Command command;
  command.session = kSession;
  if (!session_open_) {
    open.opens = true;
    command.kind = kv::CommandKind::open_session;
    command.argument = kv::kSessionMillisecondsMax;
  } else {
    command.kind =
        request.kind == DirectRequest::Kind::put ? kv::CommandKind::put : kv::CommandKind::remove;
    command.sequence = Sequence(++sequence_);
    command.key = request.key;
    command.value = request.value;
  }
  (void)world.propose(node, command, patience);
}

bool DirectRequests::answered(const Answered& answered, const World& world, Clients& clients) {
  auto found = open_.extract(answered.request.key);
  if (found.empty()) return false;
  Open& open = found.mapped();
  const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
  if (result == nullptr) return true;
  if (open.opens && result->code == ErrorCode::ok) {
    session_open_ = true;
    again_(std::move(open.sent));
    return true;
  }
  Recorded& recorded = clients.recorded(open.sent.place);
  recorded.ended = world.now();
  recorded.code = result->code;
  recorded.height = answered.reply.height;
  recorded.revision = result->revision;
  if (open.opens) {
    recorded.excluded = true;  // it was never sent itself
    return true;
  }
  // Any other code leaves open whether it took effect, as far as this history goes.
  if (result->code != ErrorCode::ok && result->code != ErrorCode::not_found) return true;
  RegisterOperation& operation = recorded.operation;
  operation.known = true;
  operation.answered = answered.answered_at;
  operation.succeeded = result->code == ErrorCode::ok;
  if (operation.kind == RegisterOperation::Kind::read && operation.succeeded) {
    operation.value = std::string(result->value.view());
  }
  return true;
}

}  // namespace paxledger::sim
