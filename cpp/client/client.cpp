#include "client/client.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "client/io_loop.hpp"
#include "client/request.hpp"
#include "kv/command.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::client {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kChainBytesMax = std::uint32_t{1} << 20;
constexpr std::uint32_t kScanPageKeys = 1000;

// What is wrong with an endpoint; empty: nothing. Whether the host exists is not looked up.
std::string_view fault_of(std::string_view endpoint) {
  constexpr std::string_view kScheme = "tcp://";
  if (!endpoint.starts_with(kScheme)) return "it does not begin with tcp://";
  const std::string_view rest = endpoint.substr(kScheme.size());
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos) return "it names no port";
  const std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  std::uint32_t number = 0;
  const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || problem != std::errc() || end != port.data() + port.size() || number < 1 ||
      number > 65'535) {
    return "its port is not a number from 1 to 65535";
  }
  // What else ZeroMQ reads, such as "source;destination" and "*", leads to nobody or to surprises.
  constexpr std::string_view kName =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_";
  const bool is_ipv6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string_view name = is_ipv6 ? host.substr(1, host.size() - 2) : host;
  if (name.empty()) return "it names no host";
  for (const char each : name) {
    if (kName.find(each) == std::string_view::npos && !(is_ipv6 && (each == ':' || each == '%'))) {
      return "its host is neither a name nor an address";
    }
  }
  return {};
}

Result<void> check(const Options& options) {
  const auto refused = [](std::string message) {
    return Error{ErrorCode::bad_request, std::move(message)};
  };
  if (options.endpoints.empty()) return refused("at least one endpoint is needed");
  if (options.endpoints.size() > kEndpointsMax) {
    return refused("at most " + std::to_string(kEndpointsMax) + " endpoints are taken");
  }
  for (const std::string& endpoint : options.endpoints) {
    const std::string_view wrong = fault_of(endpoint);
    if (!wrong.empty()) {
      return refused("'" + printable(endpoint) + "' is no endpoint: " + std::string(wrong) +
                     "; expected one like tcp://127.0.0.1:7101");
    }
  }
  if (options.deadline <= Duration::zero() || options.attempt_timeout <= Duration::zero()) {
    return refused("deadline and attempt timeout must be positive");
  }
  if (options.session_ttl < milliseconds(kv::kSessionMillisecondsMin) ||
      options.session_ttl > milliseconds(kv::kSessionMillisecondsMax)) {
    return refused("a session lives for 1 s to 24 h");
  }
  if (options.outstanding_max == 0) return refused("at least one call must be allowed at once");
  if (options.connections == 0 || options.connections > kConnectionsMax) {
    return refused("1 to " + std::to_string(kConnectionsMax) + " connections are allowed");
  }
  return {};
}

Outcome outcome_of(Ended ended) {
  auto* value = std::get_if<wire::ValueReply>(&ended.reply);
  Outcome outcome;
  outcome.trace = std::move(ended.trace);
  if (value == nullptr) {
    outcome.code = ErrorCode::bad_request;
    outcome.message = "the node gave an answer of a wrong kind";
    return outcome;
  }
  outcome.code = value->code;
  outcome.revision = value->revision;
  outcome.height = value->height;
  outcome.value = std::move(value->value);
  outcome.message = std::move(value->message);
  return outcome;
}

// The error of a reply that should have been a page.
Error page_error(const wire::ClientReply& reply) {
  const auto* value = std::get_if<wire::ValueReply>(&reply);
  if (value == nullptr || value->code == ErrorCode::ok) {
    return {ErrorCode::bad_request, "the node gave an answer of a wrong kind"};
  }
  return {value->code,
          value->message.empty() ? std::string(to_string(value->code)) : value->message};
}

Outcome refusal(ErrorCode code, std::string message) {
  Outcome outcome;
  outcome.code = code;
  outcome.message = std::move(message);
  return outcome;
}

Result<void> check_sizes(std::string_view key, std::string_view value) {
  if (key.empty()) return Error{ErrorCode::bad_request, "the key is empty"};
  if (key.size() > kv::kKeyBytesMax) {
    return Error{ErrorCode::too_large,
                 "the key has " + std::to_string(key.size()) + " bytes; at most 4096 are allowed"};
  }
  if (value.size() > kv::kValueBytesMax) {
    return Error{ErrorCode::too_large, "the value has " + std::to_string(value.size()) +
                                           " bytes; at most 1048576 are allowed"};
  }
  return {};
}

// A request with everything but its body.
Result<Request> prepare(const Options& options, const CallOptions& call) {
  if (call.endpoint && *call.endpoint >= options.endpoints.size()) {
    return Error{ErrorCode::bad_request,
                 "the client has no endpoint number " + std::to_string(*call.endpoint)};
  }
  Request request;
  const Duration budget = std::clamp<Duration>(call.deadline.value_or(options.deadline),
                                               Duration::zero(), std::chrono::hours(24));
  request.deadline = Clock::now() + budget;
  request.endpoint = call.endpoint;
  return request;
}

// Calls `start` with a callback that fulfils the future.
template <class Value, class Start>
std::future<Value> as_future(Start start) {
  auto promise = std::make_shared<std::promise<Value>>();
  auto future = promise->get_future();
  start([promise](Value value) { promise->set_value(std::move(value)); });
  return future;
}

// A scan on its way from page to page. Lives in the callbacks of its own page requests.
struct ScanWalk : std::enable_shared_from_this<ScanWalk> {
  IoLoop* loop = nullptr;
  Request first;  // its deadline and endpoint are those of every page
  wire::ScanRequest page;
  ScanResult result;
  Client::ScanCallback done;

  void ask() {
    Request request;
    request.deadline = first.deadline;
    request.endpoint = first.endpoint;
    request.body = page;
    request.done = [walk = shared_from_this()](Ended ended) { walk->take(std::move(ended.reply)); };
    loop->submit(std::move(request));
  }

  void take(wire::ClientReply reply) {
    auto* items = std::get_if<wire::ScanReply>(&reply);
    if (items == nullptr) return done(page_error(reply));
    if (items->more && items->items.empty()) {
      return done(Error{ErrorCode::bad_request, "the node gave an empty page and promised more"});
    }
    const bool more = items->more;
    result.height = items->height;
    ++result.pages;
    if (more) page.after = SharedBytes::copy_of(items->items.back().key.view());
    std::move(items->items.begin(), items->items.end(), std::back_inserter(result.items));
    if (more) return ask();
    done(std::move(result));
  }
};

void write(IoLoop& loop, const Options& options, const CallOptions& call, Write body,
           Client::Callback done) {
  if (const auto fits = check_sizes(body.key, body.value); !fits) {
    return done(refusal(fits.error().code, fits.error().message));
  }
  auto request = prepare(options, call);
  if (!request) return done(refusal(request.error().code, request.error().message));
  request->body = std::move(body);
  request->done = [done = std::move(done)](Ended ended) { done(outcome_of(std::move(ended))); };
  loop.submit(std::move(*request));
}

Write write_of(kv::CommandKind kind, std::string_view key, std::string_view value = {},
               std::uint64_t argument = 0) {
  Write write;
  write.kind = kind;
  write.argument = argument;
  // One octet more than is allowed is enough to be refused.
  write.key = key.substr(0, kv::kKeyBytesMax + 1);
  write.value = value.substr(0, kv::kValueBytesMax + 1);
  return write;
}

}  // namespace

std::uint64_t protocol_version() {
  return wire::kClientProtocolVersion;
}

Result<std::unique_ptr<Client>> Client::connect(Options options) {
  if (const auto checked = check(options); !checked) return checked.error();
  auto loop = IoLoop::start(options);
  if (!loop) return loop.error();
  return std::unique_ptr<Client>(new Client(std::move(options), std::move(*loop)));
}

Client::Client(Options options, std::unique_ptr<IoLoop> loop)
    : options_(std::move(options)), loop_(std::move(loop)) {}

Client::~Client() {
  close();
}

void Client::close() {
  loop_->close();
}

void Client::begin_close() {
  loop_->begin_close();
}

bool Client::wait_closed(std::chrono::steady_clock::time_point until) {
  return loop_->wait_closed(until);
}

void Client::abandon() {
  loop_->abandon();
}

Counters Client::counters() const {
  return loop_->counters();
}

void Client::put(std::string_view key, std::string_view value, const CallOptions& call,
                 Callback done) {
  write(*loop_, options_, call, write_of(kv::CommandKind::put, key, value), std::move(done));
}

void Client::remove(std::string_view key, const CallOptions& call, Callback done) {
  write(*loop_, options_, call, write_of(kv::CommandKind::remove, key), std::move(done));
}

void Client::compare_and_put(std::string_view key, Revision expected, std::string_view value,
                             const CallOptions& call, Callback done) {
  write(*loop_, options_, call,
        write_of(kv::CommandKind::compare_and_put, key, value, expected.value()), std::move(done));
}

void Client::get(std::string_view key, ReadMode mode, const CallOptions& call, Callback done) {
  if (mode == ReadMode::ledger) {
    return write(*loop_, options_, call, write_of(kv::CommandKind::read, key), std::move(done));
  }
  if (const auto fits = check_sizes(key, {}); !fits) {
    return done(refusal(fits.error().code, fits.error().message));
  }
  auto request = prepare(options_, call);
  if (!request) return done(refusal(request.error().code, request.error().message));
  wire::GetRequest body;
  body.consistency =
      mode == ReadMode::local ? wire::Consistency::local : wire::Consistency::linearizable;
  body.key = SharedBytes::copy_of(key);
  request->body = std::move(body);
  request->done = [done = std::move(done)](Ended ended) { done(outcome_of(std::move(ended))); };
  loop_->submit(std::move(*request));
}

void Client::scan(std::string_view prefix, ReadMode mode, const CallOptions& call,
                  ScanCallback done) {
  if (mode == ReadMode::ledger) {
    return done(Error{ErrorCode::bad_request, "a scan is linearizable or local"});
  }
  if (prefix.size() > kv::kKeyBytesMax) {
    return done(Error{ErrorCode::too_large, "the prefix is longer than any key"});
  }
  auto request = prepare(options_, call);
  if (!request) return done(request.error());
  auto walk = std::make_shared<ScanWalk>();
  walk->loop = loop_.get();
  walk->first = std::move(*request);
  walk->page.consistency =
      mode == ReadMode::local ? wire::Consistency::local : wire::Consistency::linearizable;
  walk->page.prefix = SharedBytes::copy_of(prefix);
  walk->page.count_max = kScanPageKeys;
  walk->done = std::move(done);
  walk->ask();
}

void Client::chain(Height first, const CallOptions& call, ChainCallback done) {
  auto request = prepare(options_, call);
  if (!request) return done(request.error());
  wire::ChainRequest body;
  body.first = first;
  body.bytes_max = kChainBytesMax;
  request->body = body;
  request->done = [done = std::move(done)](Ended ended) {
    auto* page = std::get_if<wire::ChainReply>(&ended.reply);
    if (page == nullptr) return done(page_error(ended.reply));
    done(ChainPage{page->first, page->head, std::move(page->blocks)});
  };
  loop_->submit(std::move(*request));
}

void Client::admin(std::string_view action, std::string_view argument, const CallOptions& call,
                   Callback done) {
  if (action.empty() || action.size() > wire::kAdminActionBytesMax ||
      argument.size() > wire::kAdminArgumentBytesMax) {
    return done(refusal(ErrorCode::bad_request, "the order or its argument is too long, or empty"));
  }
  auto request = prepare(options_, call);
  if (!request) return done(refusal(request.error().code, request.error().message));
  wire::AdminRequest body;
  body.action = action;
  body.argument = argument;
  request->body = std::move(body);
  request->done = [done = std::move(done)](Ended ended) { done(outcome_of(std::move(ended))); };
  loop_->submit(std::move(*request));
}

std::future<Outcome> Client::put(std::string_view key, std::string_view value,
                                 const CallOptions& call) {
  return as_future<Outcome>([&](Callback done) { put(key, value, call, std::move(done)); });
}

std::future<Outcome> Client::remove(std::string_view key, const CallOptions& call) {
  return as_future<Outcome>([&](Callback done) { remove(key, call, std::move(done)); });
}

std::future<Outcome> Client::compare_and_put(std::string_view key, Revision expected,
                                             std::string_view value, const CallOptions& call) {
  return as_future<Outcome>(
      [&](Callback done) { compare_and_put(key, expected, value, call, std::move(done)); });
}

std::future<Outcome> Client::get(std::string_view key, ReadMode mode, const CallOptions& call) {
  return as_future<Outcome>([&](Callback done) { get(key, mode, call, std::move(done)); });
}

std::future<Result<ScanResult>> Client::scan(std::string_view prefix, ReadMode mode,
                                             const CallOptions& call) {
  return as_future<Result<ScanResult>>(
      [&](ScanCallback done) { scan(prefix, mode, call, std::move(done)); });
}

std::future<Result<ChainPage>> Client::chain(Height first, const CallOptions& call) {
  return as_future<Result<ChainPage>>(
      [&](ChainCallback done) { chain(first, call, std::move(done)); });
}

std::future<Outcome> Client::admin(std::string_view action, std::string_view argument,
                                   const CallOptions& call) {
  return as_future<Outcome>([&](Callback done) { admin(action, argument, call, std::move(done)); });
}

}  // namespace paxledger::client
