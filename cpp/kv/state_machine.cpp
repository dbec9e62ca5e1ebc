#include "kv/state_machine.hpp"

#include <algorithm>

#include "base/invariant.hpp"
#include "kv/session_results.hpp"

namespace paxledger::kv {
namespace {

struct Session {
  std::uint64_t silence_max = 0;  // microseconds
  Timestamp last_heard;
  Timestamp scheduled;  // under which it stands in State::expiry; never above deadline()
  SessionResults results;

  // The last moment at which the session still lives. Saturates.
  [[nodiscard]] Timestamp deadline() const {
    const std::uint64_t heard = last_heard.microseconds();
    return Timestamp(heard > UINT64_MAX - silence_max ? UINT64_MAX : heard + silence_max);
  }
};

CommandResult failure(ErrorCode code) {
  return {code, {}, {}};
}

}  // namespace

struct StateMachine::State {
  // What each data command does once its session has admitted it.
  CommandResult execute(const Command& command);
  CommandResult put(const Command& command);
  CommandResult compare_and_put(const Command& command);
  CommandResult remove(const Command& command);
  [[nodiscard]] CommandResult read(const Command& command) const;

  CommandResult open_session(const Command& command, Timestamp now);
  void forget(std::unordered_map<SessionId, Session>::iterator found);

  std::map<std::string, Entry, std::less<>> entries;
  Revision revision;

  // Looked up by id only, never walked: its order, which differs between libraries, reaches
  // nobody.
  std::unordered_map<SessionId, Session> sessions;

  // Sessions by the time at which to look whether they have expired. A command moves its
  // session's deadline but not its place here; a place that comes up too early is renewed. So a
  // command costs nothing here, and advance_time O(log n) per place that comes up.
  std::set<std::pair<Timestamp, SessionId>> expiry;
};

CommandResult StateMachine::State::put(const Command& command) {
  revision = revision.next();
  SharedBytes value = SharedBytes::copy_of(command.value);
  const auto place = entries.lower_bound(command.key);
  if (place != entries.end() && place->first == command.key) {
    place->second = Entry{std::move(value), revision};
  } else {
    entries.emplace_hint(place, std::string(command.key), Entry{std::move(value), revision});
  }
  return {ErrorCode::ok, revision, {}};
}

CommandResult StateMachine::State::compare_and_put(const Command& command) {
  const auto found = entries.find(command.key);
  const Revision current = found == entries.end() ? Revision(0) : found->second.revision;
  if (current != Revision(command.argument)) return {ErrorCode::compare_failed, current, {}};
  return put(command);
}

CommandResult StateMachine::State::remove(const Command& command) {
  const auto found = entries.find(command.key);
  if (found == entries.end()) return failure(ErrorCode::not_found);
  revision = revision.next();
  entries.erase(found);
  return {};
}

CommandResult StateMachine::State::read(const Command& command) const {
  const auto found = entries.find(command.key);
  if (found == entries.end()) return failure(ErrorCode::not_found);
  return {ErrorCode::ok, found->second.revision, found->second.value};
}

CommandResult StateMachine::State::execute(const Command& command) {
  switch (command.kind) {
    case CommandKind::put:
      return put(command);
    case CommandKind::remove:
      return remove(command);
    case CommandKind::read:
      return read(command);
    case CommandKind::compare_and_put:
      return compare_and_put(command);
    case CommandKind::open_session:
    case CommandKind::close_session:
      break;
  }
  invariant_broken("a session command is no data command", std::source_location::current());
}

CommandResult StateMachine::State::open_session(const Command& command, Timestamp now) {
  const auto found = sessions.find(command.session);
  if (found != sessions.end()) {
    found->second.last_heard = std::max(found->second.last_heard, now);
    return {};
  }
  if (sessions.size() >= kSessionsMax) return failure(ErrorCode::overloaded);
  Session session;
  session.silence_max =
      std::clamp(command.argument, kSessionMillisecondsMin, kSessionMillisecondsMax) * 1000;
  session.last_heard = now;
  session.scheduled = session.deadline();
  expiry.emplace(session.scheduled, command.session);
  sessions.emplace(command.session, std::move(session));
  return {};
}

void StateMachine::State::forget(std::unordered_map<SessionId, Session>::iterator found) {
  expiry.erase({found->second.scheduled, found->first});
  sessions.erase(found);
}

StateMachine::StateMachine() : state_(std::make_unique<State>()) {}
StateMachine::StateMachine(StateMachine&&) noexcept = default;
StateMachine& StateMachine::operator=(StateMachine&&) noexcept = default;
StateMachine::~StateMachine() = default;

void StateMachine::advance_time(Timestamp now) {
  auto& expiry = state_->expiry;
  while (!expiry.empty() && expiry.begin()->first < now) {
    const SessionId id = expiry.begin()->second;
    const auto found = state_->sessions.find(id);
    invariant(found != state_->sessions.end(), "every place of the expiry order has its session");
    const Timestamp deadline = found->second.deadline();
    if (deadline < now) {
      state_->forget(found);
    } else {
      auto place = expiry.extract(expiry.begin());
      place.value().first = deadline;
      expiry.insert(std::move(place));
      found->second.scheduled = deadline;
    }
  }
}

CommandResult StateMachine::apply(std::string_view octets, Timestamp now) {
  const auto parsed = parse_command(octets);
  if (!parsed) return failure(parsed.error().code);
  const Command& command = *parsed;
  if (command.kind == CommandKind::open_session) return state_->open_session(command, now);

  const auto found = state_->sessions.find(command.session);
  if (command.kind == CommandKind::close_session) {
    // Closing is idempotent: a repeated close finds no session and has reached its aim.
    if (found != state_->sessions.end()) state_->forget(found);
    return {};
  }
  if (found == state_->sessions.end()) return failure(ErrorCode::session_expired);
  Session& session = found->second;
  session.last_heard = std::max(session.last_heard, now);
  session.results.acknowledge(command.acknowledged);

  // The client said that it has this command's result, so it does not wait for another.
  if (command.sequence <= session.results.acknowledged()) return failure(ErrorCode::bad_request);
  if (!session.results.fits(command.sequence)) return failure(ErrorCode::overloaded);
  if (const CommandResult* first = session.results.find(command.sequence)) return *first;

  CommandResult result = state_->execute(command);
  session.results.keep(command.sequence, result);
  return result;
}

std::optional<CommandResult> StateMachine::known_result(SessionId session,
                                                        Sequence sequence) const {
  const auto found = state_->sessions.find(session);
  if (found == state_->sessions.end()) return std::nullopt;
  const CommandResult* result = found->second.results.find(sequence);
  if (result == nullptr) return std::nullopt;
  return *result;
}

bool StateMachine::has_session(SessionId session) const {
  return state_->sessions.contains(session);
}

const Entry* StateMachine::find(std::string_view key) const {
  const auto found = state_->entries.find(key);
  return found == state_->entries.end() ? nullptr : &found->second;
}

ScanPage StateMachine::scan(std::string_view prefix, std::string_view after, std::size_t count_max,
                            std::size_t bytes_max) const {
  const auto& entries = state_->entries;
  ScanPage page;
  std::size_t bytes = 0;
  auto at = after < prefix ? entries.lower_bound(prefix) : entries.upper_bound(after);
  // An empty `after` with an empty prefix starts at the first key: no key is empty.
  for (; at != entries.end() && at->first.starts_with(prefix); ++at) {
    const auto& [key, entry] = *at;
    const std::size_t size = key.size() + entry.value.size();
    const bool full = page.items.size() >= count_max || bytes + size > bytes_max;
    if (full && !page.items.empty()) {
      page.more = true;
      break;
    }
    page.items.push_back({key, entry.value, entry.revision});
    bytes += size;
  }
  return page;
}

Revision StateMachine::revision() const {
  return state_->revision;
}
std::size_t StateMachine::key_count() const {
  return state_->entries.size();
}
std::size_t StateMachine::session_count() const {
  return state_->sessions.size();
}

}  // namespace paxledger::kv
