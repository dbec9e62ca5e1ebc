#include "sim/clients.hpp"

#include <algorithm>

#include "sim/describe.hpp"

namespace paxledger::sim {

namespace {

using std::chrono::milliseconds;

bool is_definite(ErrorCode code) {
  return code == ErrorCode::ok || code == ErrorCode::not_found || code == ErrorCode::compare_failed;
}

std::string_view kind_in_record(const OpenOperation& operation) {
  if (operation.local) return "get_local";
  if (operation.plain_read) return "get";
  if (operation.kind == kv::CommandKind::read) return "get_ledger";
  return operation.kind == kv::CommandKind::remove            ? "delete"
         : operation.kind == kv::CommandKind::compare_and_put ? "compare_and_put"
                                                              : "put";
}

RegisterOperation::Kind kind_in_history(const OpenOperation& operation) {
  if (operation.plain_read) return RegisterOperation::Kind::read;
  switch (operation.kind) {
    case kv::CommandKind::remove:
      return RegisterOperation::Kind::remove;
    case kv::CommandKind::compare_and_put:
      return RegisterOperation::Kind::swap;
    case kv::CommandKind::read:
      return RegisterOperation::Kind::read;
    default:
      return RegisterOperation::Kind::write;
  }
}

}  // namespace

Clients::Clients(const WorkProfile& work, Prng prng, bool shared_session)
    : work_(work), prng_(prng), clients_(work.clients) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].session = SessionId(1'000'000 * (shared_session ? 1 : i + 1));
  }
}

Duration Clients::patience() {
  return settled_ ? Duration(milliseconds(1500))
                  : Duration(milliseconds(prng_.between(5, work_.patience_ms_max)));
}

NodeId Clients::choose_node(Client& client, const World& world) {
  if (world.running(client.favourite) && prng_.chance(2, 3)) return client.favourite;
  const auto nodes = world.nodes();
  const NodeId node = nodes[prng_.below(nodes.size())];
  if (!world.running(node)) return kNobody;
  return client.favourite = node;
}

void Clients::wake(std::size_t index, World& world) {
  Client& client = clients_[index];
  if (!closed_ && work_.close_permille > 0 && client.open && client.operations.empty() &&
      prng_.chance(work_.close_permille, 1000)) {
    close_session(index, world);
  }
  if (!closed_ && client.late && prng_.chance(1, 3)) send_late_copies(client, world);
  if (client.expired && client.operations.empty()) {
    client.session = SessionId(client.session.value() + 1);
    client.next = 1;
    client.expired = client.open = client.opening_now = false;
    client.last_done.reset();
    client.rest_until = world.now();
    client.surely_heard = false;
  }
  if (work_.rest_permille > 0 && rests(index, world)) return;
  if (!client.open) open_session(index, world);
  std::vector<std::uint64_t> again;
  for (auto& [sequence, operation] : client.operations) {
    if (operation.asked && world.now() > operation.asked_until + milliseconds(20)) {
      operation.asked = false;  // the node went down with the request
    }
    if (!operation.asked) again.push_back(sequence);
  }
  for (const std::uint64_t sequence : again) {
    if (client.operations.contains(sequence)) attempt(index, sequence, world);
  }
  if (!closed_ && client.open && !client.expired && client.operations.size() < work_.pipeline &&
      client.begun < work_.operations) {
    begin(index, world);
  }
}

// A session whose client is known to be there lasts, so a copy of its last command changes nothing.
bool Clients::rests(std::size_t index, World& world) {
  Client& client = clients_[index];
  if (settled_) return false;
  if (world.now() >= client.rest_until) {
    // Only a session that lasts for a good while yet: open_session would open one that has expired,
    // and was forgotten since, as a new one.
    const bool may = client.open && client.operations.empty() && client.last_done.has_value() &&
                     world.now() < client.heard + milliseconds(300);
    if (!may || !prng_.chance(work_.rest_permille, 1000)) return false;
    client.rest_until = world.now() + milliseconds(prng_.between(1100, 3000));
    client.surely_heard = false;
  }
  if (world.now() > client.heard + milliseconds(700)) {  // too near the end of the session
    client.expired = true;
    return true;
  }
  open_session(index, world);
  if (client.surely_heard && prng_.chance(1, 5)) send_copy(*client.last_done, world);
  return true;
}

void Clients::open_session(std::size_t index, World& world) {
  Client& client = clients_[index];
  if (client.opening_now && world.now() <= client.opening_until + milliseconds(20)) return;
  const NodeId node = choose_node(client, world);
  if (node == kNobody) return;
  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = client.session;
  command.argument = work_.session_ms;
  const Duration until = patience();
  client.opening_until = world.now() + until;
  client.opening_now = true;
  client.opening_sent = world.now();
  client.opening = world.next_request();
  requests_[client.opening] = {index, 0};
  (void)world.propose(node, command, until);
}

// Whether the close arrives or not, the client goes on with another session.
void Clients::close_session(std::size_t index, World& world) {
  Client& client = clients_[index];
  const NodeId node = choose_node(client, world);
  if (node == kNobody) return;
  kv::Command command;
  command.kind = kv::CommandKind::close_session;
  command.session = client.session;
  command.sequence = Sequence(client.next);
  client.expired = true;
  // Copies that are delayed for longer than the session asked for may have an effect again.
  if (work_.session_ms == kv::kSessionMillisecondsMax) client.late = client.last_done;
  (void)world.propose(node, command, patience());
}

// Copies of what opened a session that was closed, and of its last command, arrive late, at some
// node. They change nothing any more.
void Clients::send_late_copies(Client& client, World& world) {
  kv::Command open;
  open.kind = kv::CommandKind::open_session;
  open.session = client.late->command.session;
  open.argument = work_.session_ms;
  send_copy({open, {}, {}}, world);
  send_copy(*client.late, world);
}

void Clients::send_copy(const Copy& copy, World& world) {
  kv::Command command = copy.command;
  command.key = copy.key;
  command.value = copy.value;
  const auto nodes = world.nodes();
  const NodeId node = nodes[prng_.below(nodes.size())];
  if (world.running(node)) (void)world.propose(node, command, patience());
}

void Clients::begin(std::size_t index, World& world) {
  Client& client = clients_[index];
  client.begun += 1;
  OpenOperation operation;
  operation.key = "key" + std::to_string(prng_.below(work_.keys));
  operation.floor = done_;
  draw_kind(operation);
  Recorded recorded;
  recorded.key = operation.key;
  recorded.excluded = operation.local;
  recorded.client = index;
  recorded.begun = world.now();
  if (kind_in_history(operation) == RegisterOperation::Kind::swap) {
    const auto& [value, revision] = client.seen[operation.key];
    operation.argument = revision;
    recorded.operation.expected = value;
    recorded.operation.expected_revision = revision;
  }
  if (!operation.plain_read && (operation.kind == kv::CommandKind::put ||
                                operation.kind == kv::CommandKind::compare_and_put)) {
    operation.value = "v" + std::to_string(++values_);
    recorded.operation.value = operation.value;
  }
  recorded.operation.kind = kind_in_history(operation);
  recorded.operation.client = index;
  recorded.operation.invoked = world.tick();
  recorded.what = kind_in_record(operation);
  operation.history = history_.size();
  history_.push_back(std::move(recorded));
  const std::uint64_t sequence = operation.plain_read ? ++reads_ : client.next++;
  client.operations.emplace(sequence, std::move(operation));
  attempt(index, sequence, world);
}

void Clients::draw_kind(OpenOperation& operation) {
  if (prng_.below(100) < work_.reads_percent) {
    const std::uint64_t what = prng_.below(8);
    operation.plain_read = what > 0;
    operation.kind = kv::CommandKind::read;
    operation.local = what > 6;
    return;
  }
  const std::uint64_t what = prng_.below(6);
  operation.kind = what < 4    ? kv::CommandKind::put
                   : what == 4 ? kv::CommandKind::remove
                               : kv::CommandKind::compare_and_put;
}

void Clients::attempt(std::size_t index, std::uint64_t sequence, World& world) {
  Client& client = clients_[index];
  const NodeId node = choose_node(client, world);
  if (node == kNobody) return;
  OpenOperation& operation = client.operations.at(sequence);
  operation.asked = true;
  operation.attempts += 1;
  if (operation.attempts == 1) operation.first_sent = world.now();
  history_[operation.history].attempts = operation.attempts;
  history_[operation.history].node = node;
  const Duration until = patience();
  operation.asked_until = world.now() + until;
  // The answer may come within the call, when nobody knows the request's name yet; the name is
  // therefore foretold.
  const RequestKey expected = world.next_request();
  operation.request = expected;
  requests_[expected] = {index, sequence};
  if (operation.plain_read) {
    if (operation.local && prng_.chance(1, 4)) {
      (void)world.scan(node, "key", "", 1 + prng_.below(4), engine::ReadConsistency::local, until);
    } else {
      (void)world.read(
          node, operation.key,
          operation.local ? engine::ReadConsistency::local : engine::ReadConsistency::linearizable,
          until);
    }
    return;
  }
  kv::Command command;
  command.kind = operation.kind;
  command.session = client.session;
  command.sequence = Sequence(sequence);
  command.acknowledged = Sequence(client.operations.begin()->first - 1);
  command.argument = operation.argument;
  const std::string key = operation.key;  // the operation may end within the call
  const std::string value = operation.value;
  command.key = key;
  command.value = value;
  (void)world.propose(node, command, until);
}

void Clients::answered(const Answered& answered, World& world) {
  const auto found = requests_.find(answered.request.key);
  if (found == requests_.end()) return;
  const auto [index, sequence] = found->second;
  requests_.erase(found);
  answered_ += 1;
  Client& client = clients_[index];
  const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
  const ErrorCode code = result == nullptr ? ErrorCode::ok : result->code;
  if (sequence == 0) {
    // An opening of a session that the client has left since says nothing of the present one.
    if (answered.request.session != client.session) return;
    client.opening_now = false;
    client.open = client.open || code == ErrorCode::ok;
    if (answered.request.key != client.opening) return;
    if (code == ErrorCode::session_expired) {
      if (client.surely_heard && !client.expired &&
          world.now() < client.heard + milliseconds(work_.session_ms)) {
        violations_.push_back("session: " + std::to_string(client.session.value()) +
                              " has expired though its client was told in time that it is open");
      }
      client.expired = true;
    }
    if (code == ErrorCode::ok) {
      client.heard = client.opening_sent;
      client.surely_heard = true;
    }
    return;
  }
  const auto operation = client.operations.find(sequence);
  if (operation == client.operations.end()) return;
  if (operation->second.request != answered.request.key) return;  // of an attempt given up
  operation->second.asked = false;
  if (is_definite(code)) {
    finish(client, sequence, answered, world);
  } else {
    Recorded& record = history_[operation->second.history];
    record.ended = world.now();
    record.code = code;
    refused(client, sequence, code);
  }
}

void Clients::finish(Client& client, std::uint64_t sequence, const Answered& answered,
                     World& world) {
  const OpenOperation operation = std::move(client.operations.at(sequence));
  client.operations.erase(sequence);
  check_floor(operation, answered, world);
  const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
  Recorded& record = history_[operation.history];
  record.ended = world.now();
  record.code = result == nullptr ? ErrorCode::ok : result->code;
  record.height = answered.reply.height;
  if (result != nullptr) record.revision = result->revision;
  if (result == nullptr) return;  // a local scan
  RegisterOperation& recorded = history_[operation.history].operation;
  recorded.known = true;
  recorded.answered = answered.answered_at;
  recorded.succeeded = result->code == ErrorCode::ok;
  recorded.revision = result->revision.value();
  if (recorded.kind == RegisterOperation::Kind::read && recorded.succeeded) {
    recorded.value = std::string(result->value.view());
  }
  if (operation.local) return;
  if (!operation.plain_read) {
    client.heard = std::max(client.heard, operation.first_sent);
    client.last_done = {{}, operation.key, operation.value};
    client.last_done->command.kind = operation.kind;
    client.last_done->command.session = client.session;
    client.last_done->command.sequence = Sequence(sequence);
    client.last_done->command.argument = operation.argument;
  }
  const bool swap = recorded.kind == RegisterOperation::Kind::swap;
  if (recorded.kind == RegisterOperation::Kind::remove || !recorded.succeeded) {
    if (!swap) client.seen[operation.key] = {std::nullopt, 0};
  } else {
    client.seen[operation.key] = {recorded.value, result->revision.value()};
  }
}

void Clients::check_floor(const OpenOperation& operation, const Answered& answered,
                          const World& world) {
  if (operation.local) return;
  if (operation.plain_read) {
    if (answered.reply.height < operation.floor) {
      violations_.push_back(
          "read: node " + name(answered.request.node) + " answers a read from height " +
          std::to_string(answered.reply.height.value()) + " though a write at height " +
          std::to_string(operation.floor.value()) + " was done before");
    }
    return;
  }
  const auto* outcome =
      world.history().outcome(*answered.request.session, answered.request.sequence);
  if (outcome == nullptr) return;  // reported by the world
  if (outcome->height <= operation.floor) {
    violations_.push_back("order: " + operation.key + "=" + operation.value +
                          " stands at a height that was decided before it was begun");
  }
  done_ = std::max(done_, outcome->height);
}

void Clients::refused(Client& client, std::uint64_t sequence, ErrorCode code) {
  OpenOperation& operation = client.operations.at(sequence);
  const bool no_effect = code != ErrorCode::timeout;
  if (operation.plain_read) {
    if (!settled_ && prng_.chance(1, 3)) {
      history_[operation.history].excluded = true;
      client.operations.erase(sequence);
    }
    return;
  }
  if (code == ErrorCode::session_expired) {
    // An earlier attempt may have been applied before the session ended: outcome unknown.
    if (operation.attempts == 1) note_refusal(client, sequence);
    client.operations.erase(sequence);
    client.expired = true;
    return;
  }
  if (settled_ || !prng_.chance(1, 6)) return;
  // The client gives up. What had no effect must never have one.
  // (A network that doubles messages may hand a refused Forward over a second time, so the claim
  // is checked for networks that did not. TCP does not.)
  if (no_effect && operation.attempts == 1) note_refusal(client, sequence);
  client.operations.erase(sequence);
}

void Clients::note_refusal(const Client& client, std::uint64_t sequence) {
  Recorded& record = history_[client.operations.at(sequence).history];
  record.refused = true;
  const auto at = std::chrono::duration_cast<std::chrono::microseconds>(
      record.ended->since_origin() - std::chrono::seconds(1));
  must_not_apply_[{client.session, Sequence(sequence)}] =
      "node " + name(record.node) + " answered " + std::string(to_string(record.code)) + " at " +
      std::to_string(at.count()) + " µs";
}

bool Clients::idle() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const Client& client) { return client.operations.empty(); });
}

std::string Clients::verdict(const AgreedHistory& agreed, bool duplicated,
                             std::uint64_t* undecided) const {
  for (const auto& [which, refusal] : must_not_apply_) {
    if (duplicated) break;
    const auto& [session, sequence] = which;
    const auto* outcome = agreed.outcome(session, sequence);
    if (outcome != nullptr && outcome->had_effect) {
      return "reply: session " + std::to_string(session.value()) + " sequence " +
             std::to_string(sequence.value()) + " took effect at height " +
             std::to_string(outcome->height.value()) +
             " although its only attempt was answered as having none: " + refusal;
    }
  }
  std::map<std::string, std::vector<RegisterOperation>> by_key;
  for (const auto& recorded : history_) {
    const bool without_effect = recorded.refused && !duplicated;
    if (!recorded.excluded && !without_effect) by_key[recorded.key].push_back(recorded.operation);
  }
  for (const auto& [key, operations] : by_key) {
    const Verdict verdict = check_register(operations);
    if (verdict.exhausted) *undecided += 1;
    if (!verdict.linearizable) {
      return "linearizability: " + key + ": " + verdict.text;
    }
  }
  return {};
}

}  // namespace paxledger::sim
