#include "kv/state_machine.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <list>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/invariant.hpp"
#include "kv/session_results.hpp"

namespace paxledger::kv {
namespace {

// Every session stands in one row, by who has to go first: a row's first session is the one that
// was closed first or silent longest. One that expired stands among the closed. A command moves its
// session to the end, which costs one step.
enum class Row : std::uint8_t { closed, light, laden };
constexpr std::size_t kRows = 3;

struct Session {
  std::uint64_t silence_max = 0;  // microseconds
  Timestamp last_heard;
  Timestamp scheduled;          // under which it stands in State::expiry; never above deadline()
  std::uint64_t last_turn = 0;  // the number of its last command, counted over all sessions
  Row row = Row::light;
  std::list<SessionId>::iterator place;  // in its row
  SessionResults results;

  [[nodiscard]] bool is_closed() const { return row == Row::closed; }

  // The last moment at which the session is still open, or if it is closed, still remembered.
  // Saturates.
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
  State() = default;
  State(const State& other);
  State& operator=(const State&) = delete;

  // What each data command does once its session has admitted it.
  CommandResult execute(const Command& command);
  CommandResult put(const Command& command);
  CommandResult compare_and_put(const Command& command);
  CommandResult remove(const Command& command);
  [[nodiscard]] CommandResult read(const Command& command) const;

  using Sessions = std::unordered_map<SessionId, Session>;
  CommandResult open_session(const Command& command, Timestamp now);
  // Ends an open session, which stays remembered for its time to live from `now` on.
  void close_session(Session& session, Timestamp now);
  // What a command of a session comes to. Precondition: the session is open.
  CommandResult run(Session& session, const Command& command);
  void hear(Session& session, Timestamp now);
  void acknowledge(Session& session, Sequence sequence);
  void keep(Session& session, Sequence sequence, const CommandResult& result);
  // Moves the session to the end of the row.
  void line_up(Session& session, Row row);
  void line_up(Session& session) {
    line_up(session, session.results.count() > kResultsLight ? Row::laden : Row::light);
  }
  [[nodiscard]] std::list<SessionId>& row(Row which) {
    return rows[static_cast<std::size_t>(which)];
  }
  void make_room_for_a_session();
  void make_room_for_a_result();
  void forget(Sessions::iterator found);

  Entries entries;
  Revision revision;

  // Looked up by id only, never walked: its order, which differs between libraries, reaches
  // nobody.
  Sessions sessions;
  std::size_t results_kept = 0;  // the sum over all sessions

  std::array<std::list<SessionId>, kRows> rows;
  std::uint64_t turns = 0;

  // Sessions by the time at which to look whether they have expired. A command moves its
  // session's deadline but not its place here; a place that comes up too early is renewed. So a
  // command costs nothing here, and advance_time O(log n) per place that comes up.
  std::set<std::pair<Timestamp, SessionId>> expiry;
};

StateMachine::State::State(const State& other)
    : entries(other.entries),
      revision(other.revision),
      sessions(other.sessions),
      results_kept(other.results_kept),
      rows(other.rows),
      turns(other.turns),
      expiry(other.expiry) {
  // The copied sessions still know their places in the rows that they were copied from.
  for (auto& row : rows) {
    for (auto place = row.begin(); place != row.end(); ++place) sessions.at(*place).place = place;
  }
}

CommandResult StateMachine::State::put(const Command& command) {
  revision = revision.next();
  Entry& entry = entries.at(command.key);
  entry.value = SharedBytes::copy_of(command.value);
  entry.revision = revision;
  return {ErrorCode::ok, revision, {}};
}

CommandResult StateMachine::State::compare_and_put(const Command& command) {
  const Entry* found = entries.find(command.key);
  const Revision current = found == nullptr ? Revision(0) : found->revision;
  if (current != Revision(command.argument)) return {ErrorCode::compare_failed, current, {}};
  return put(command);
}

CommandResult StateMachine::State::remove(const Command& command) {
  if (!entries.remove(command.key)) return failure(ErrorCode::not_found);
  revision = revision.next();
  return {};
}

CommandResult StateMachine::State::read(const Command& command) const {
  const Entry* found = entries.find(command.key);
  if (found == nullptr) return failure(ErrorCode::not_found);
  return {ErrorCode::ok, found->revision, found->value};
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

CommandResult StateMachine::State::run(Session& session, const Command& command) {
  acknowledge(session, command.acknowledged);
  // The client said that it has this command's result, so it does not wait for another.
  if (command.sequence <= session.results.acknowledged()) return failure(ErrorCode::bad_request);
  if (const auto first = session.results.find(command.sequence)) return *first;
  if (!session.results.fits(command.sequence)) return failure(ErrorCode::overloaded);
  CommandResult result = execute(command);
  if (command.kind != CommandKind::read) keep(session, command.sequence, result);
  return result;
}

CommandResult StateMachine::State::open_session(const Command& command, Timestamp now) {
  const auto found = sessions.find(command.session);
  if (found != sessions.end()) {
    // A late copy of what opened a session must not make room for late copies of its commands.
    // Its coming is no sign of life, so that the id is forgotten in the end.
    if (found->second.is_closed()) return failure(ErrorCode::session_expired);
    hear(found->second, now);
    return {};
  }
  make_room_for_a_session();
  Session& session = sessions[command.session];
  session.silence_max =
      std::clamp(command.argument, kSessionMillisecondsMin, kSessionMillisecondsMax) * 1000;
  session.place = row(session.row).insert(row(session.row).end(), command.session);
  hear(session, now);
  session.scheduled = session.deadline();
  expiry.emplace(session.scheduled, command.session);
  return {};
}

void StateMachine::State::close_session(Session& session, Timestamp now) {
  session.last_heard = std::max(session.last_heard, now);
  results_kept -= session.results.count();
  session.results = {};
  line_up(session, Row::closed);
}

void StateMachine::State::hear(Session& session, Timestamp now) {
  session.last_heard = std::max(session.last_heard, now);
  session.last_turn = ++turns;
  line_up(session);
}

void StateMachine::State::acknowledge(Session& session, Sequence sequence) {
  results_kept -= session.results.count();
  session.results.acknowledge(sequence);
  results_kept += session.results.count();
  line_up(session);
}

void StateMachine::State::keep(Session& session, Sequence sequence, const CommandResult& result) {
  make_room_for_a_result();
  session.results.keep(sequence, result);
  ++results_kept;
  line_up(session);
}

void StateMachine::State::line_up(Session& session, Row to) {
  // One command lines its session up more than once, and it mostly stands where it should.
  if (to == session.row && std::next(session.place) == row(to).end()) return;
  row(to).splice(row(to).end(), row(session.row), session.place);
  session.row = to;
}

void StateMachine::State::make_room_for_a_session() {
  if (sessions.size() < kSessionsMax) return;
  const Row candidates[] = {Row::light, Row::laden};
  auto victim = sessions.end();
  for (const Row which : candidates) {
    if (row(which).empty()) continue;
    const auto first = sessions.find(row(which).front());
    if (victim == sessions.end() || first->second.last_turn < victim->second.last_turn) {
      victim = first;
    }
  }
  if (!row(Row::closed).empty()) victim = sessions.find(row(Row::closed).front());
  forget(victim);
}

void StateMachine::State::make_room_for_a_result() {
  if (results_kept < kResultsMax) return;
  // There are two laden sessions at least, for one is not enough to keep so many results; and the
  // one whose command is carried out stands at the end.
  invariant(row(Row::laden).size() > 1, "too many results are those of several sessions");
  forget(sessions.find(row(Row::laden).front()));
}

void StateMachine::State::forget(Sessions::iterator found) {
  const Session& session = found->second;
  expiry.erase({session.scheduled, found->first});
  row(session.row).erase(session.place);
  results_kept -= session.results.count();
  sessions.erase(found);
}

StateMachine::StateMachine() : state_(std::make_unique<State>()) {}
StateMachine::StateMachine(const StateMachine& other)
    : state_(std::make_unique<State>(*other.state_)) {}
StateMachine& StateMachine::operator=(const StateMachine& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
StateMachine::StateMachine(StateMachine&&) noexcept = default;
StateMachine& StateMachine::operator=(StateMachine&&) noexcept = default;
StateMachine::~StateMachine() = default;

void StateMachine::advance_time(Timestamp now) {
  auto& expiry = state_->expiry;
  while (!expiry.empty() && expiry.begin()->first < now) {
    const SessionId id = expiry.begin()->second;
    const auto found = state_->sessions.find(id);
    invariant(found != state_->sessions.end(), "every place of the expiry order has its session");
    Session& session = found->second;
    // What has moved takes its true place first, so that all go in the order of their deadlines.
    if (session.scheduled == session.deadline()) {
      if (session.is_closed()) {
        state_->forget(found);
        continue;
      }
      // Whoever wakes up late and opens it again must not find an empty session in its place.
      state_->close_session(session, now);
    }
    auto place = expiry.extract(expiry.begin());
    place.value().first = session.scheduled = session.deadline();
    expiry.insert(std::move(place));
  }
}

CommandResult StateMachine::apply(std::string_view octets, Timestamp now) {
  const auto parsed = parse_command(octets);
  if (!parsed) return failure(parsed.error().code);
  const Command& command = *parsed;
  if (command.kind == CommandKind::open_session) return state_->open_session(command, now);

  const auto found = state_->sessions.find(command.session);
  const bool is_open = found != state_->sessions.end() && !found->second.is_closed();
  if (command.kind == CommandKind::close_session) {
    // Closing is idempotent: a repeated close finds no open session and has reached its aim.
    if (is_open) state_->close_session(found->second, now);
    return {};
  }
  if (!is_open) return failure(ErrorCode::session_expired);
  state_->hear(found->second, now);
  return state_->run(found->second, command);
}

std::vector<CommandResult> StateMachine::apply_all(const std::vector<std::string_view>& commands,
                                                   Timestamp now) {
  // A command passes through four stages, kStep commands apart; memory answers in between.
  constexpr std::size_t kStep = 4;
  std::array<std::uint64_t, 4 * kStep> hashes{};
  const auto hash_at = [&hashes](std::size_t i) -> auto& {
    return hashes[i % hashes.size()];
  };

  const Entries& entries = state_->entries;
  const std::size_t count = commands.size();
  const std::size_t lookahead = count > kStep ? 3 * kStep : 0;
  std::vector<CommandResult> results;
  results.reserve(count);
  for (std::size_t i = 0; i < count + lookahead; ++i) {
    if (lookahead > 0) {
      if (i < count) hash_at(i) = entries.foresee_place(probable_key(commands[i]));
      if (i >= kStep && i - kStep < count) entries.foresee_element(hash_at(i - kStep));
      if (i >= 2 * kStep && i - 2 * kStep < count) entries.foresee_value(hash_at(i - 2 * kStep));
    }
    if (i >= lookahead) results.push_back(apply(commands[i - lookahead], now));
  }
  return results;
}

std::optional<CommandResult> StateMachine::known_result(SessionId session,
                                                        Sequence sequence) const {
  const auto found = state_->sessions.find(session);
  if (found == state_->sessions.end()) return std::nullopt;
  return found->second.results.find(sequence);
}

bool StateMachine::has_session(SessionId session) const {
  const auto found = state_->sessions.find(session);
  return found != state_->sessions.end() && !found->second.is_closed();
}

const Entry* StateMachine::find(std::string_view key) const {
  return state_->entries.find(key);
}

ScanPage StateMachine::scan(std::string_view prefix, std::string_view after, std::size_t count_max,
                            std::size_t bytes_max) const {
  const auto& entries = state_->entries.in_order();
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
  return state_->sessions.size() - closed_session_count();
}
std::size_t StateMachine::closed_session_count() const {
  return state_->row(Row::closed).size();
}
std::size_t StateMachine::result_count() const {
  return state_->results_kept;
}

void StateMachine::hash_into(StateHasher& hasher) const {
  const auto& [state] = *this;
  const auto& [entries, revision, sessions, results_kept, rows, turns, expiry] = *state;
  hasher.add(entries.size(), revision, sessions.size(), results_kept, turns, expiry);
  for (const auto& [key, entry] : entries.in_order()) {
    const auto& [value, written] = entry;
    hasher.add(key, value, written);
  }
  // Every session stands in one row, and the rows have an order, which the table has not.
  for (const auto& row : rows) {
    hasher.add(row.size());
    for (const SessionId id : row) {
      const auto& [silence_max, last_heard, scheduled, last_turn, in_row, place, results] =
          sessions.at(id);
      hasher.add(id, silence_max, last_heard, scheduled, last_turn, results);
    }
  }
}

}  // namespace paxledger::kv
