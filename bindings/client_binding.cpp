#include "client_binding.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "errors.hpp"
#include "waiting.hpp"

namespace paxledger::bindings {
namespace py = pybind11;
namespace {

using client::CallOptions;
using client::ReadMode;

using Clock = std::chrono::steady_clock;

constexpr double kDayS = 86400;
// Every call ends by its deadline; this is far beyond it.
constexpr Clock::time_point kNever = Clock::time_point::max();
// How long a client that nobody closed may hold up the thread that lets go of it, where nothing can
// be thrown and so no signal is heeded.
constexpr auto kGarbageFarewell = std::chrono::milliseconds(50);
// How long close() may take, from its beginning on.
constexpr auto kCloseMax = std::chrono::milliseconds(250);
// How long what is left after the farewell usually takes, and far more.
constexpr auto kEndingMax = std::chrono::milliseconds(20);
// How long after one of them waited in vain others do not wait: one collection may find many.
constexpr auto kGarbageRest = std::chrono::seconds(1);
Clock::time_point garbage_rests_until;  // under the GIL

// Seconds as Python counts them. Not a number, or out of all reason: ValueError.
Duration duration_of(double seconds, const char* what) {
  if (!(seconds >= 0) || seconds > kDayS) {
    throw py::value_error(std::string(what) + " must be 0 to 86400 seconds, not " +
                          std::to_string(seconds));
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// Who waits for the end of a client, and the thread that ends it.
struct Ending {
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;  // under mutex
};

// Ends a client that has said its farewell. In a thread of its own, for libzmq may be in the middle
// of looking up the name of a host, which lasts for seconds and cannot be interrupted.
std::shared_ptr<Ending> end_aside(std::shared_ptr<client::Client> client) {
  auto ending = std::make_shared<Ending>();
  const auto last = std::make_shared<std::shared_ptr<client::Client>>(std::move(client));
  const auto end = [ending, last] {
    last->reset();
    const std::lock_guard lock(ending->mutex);
    ending->over = true;
    ending->changed.notify_all();
  };
  try {
    std::thread(end).detach();
  } catch (const std::system_error&) {  // no thread is to be had
    end();
  }
  return ending;
}

CallOptions options_of(const ClientBinding::Call& call) {
  CallOptions options;
  if (call.deadline_s != -1) options.deadline = duration_of(call.deadline_s, "deadline");
  if (call.endpoint >= 0) options.endpoint = static_cast<std::size_t>(call.endpoint);
  return options;
}

}  // namespace

ClientBinding::ClientBinding(client::Options options) : owner_(getpid()) {
  enter();
  auto connected = client::Client::connect(std::move(options));
  if (!connected) raise_error(connected.error());
  client_ = std::move(*connected);
}

ClientBinding::~ClientBinding() {
  if (is_forked()) {
    // The thread that would end it does not exist in this process, and waiting for it would last
    // for ever. The memory is given up.
    (void)client_.release();
    if (closing_) (void)new std::shared_ptr<client::Client>(std::move(closing_));
    return;
  }
  begin_close();
  if (!closing_) return;
  const Waiter counted;
  const auto now = Clock::now();
  bool ended = false;
  {
    const auto until = now < garbage_rests_until ? now : now + kGarbageFarewell;
    const py::gil_scoped_release released;
    ended = closing_->wait_closed(until);
    if (!ended) closing_->abandon();
    const auto ending = end_aside(std::move(closing_));
    std::unique_lock lock(ending->mutex);
    ended &= ending->changed.wait_until(lock, std::max(until, Clock::now()) + kEndingMax,
                                        [&] { return ending->over; });
  }
  if (!ended) garbage_rests_until = Clock::now() + kGarbageRest;
}

void ClientBinding::check_usable() const {
  enter();
  if (is_forked()) {
    raise_named("ForkedError", "this client was opened in process " + std::to_string(owner_) +
                                   " and cannot be used in process " + std::to_string(getpid()) +
                                   ", its fork; open another one after the fork");
  }
  if (client_ == nullptr) raise_named("ClosedError", "the client is closed");
}

template <class Start>
ClientBinding::Started ClientBinding::begin(const Call& call, Start start) {
  check_usable();
  const CallOptions options = options_of(call);
  if (call.queue) {
    const std::uint64_t token = call.queue->next_token();
    start(options, [queue = call.queue, token](auto result) {
      queue->push(token, Completion(std::move(result)));
    });
    return Started(py::int_(token));
  }
  auto operation = std::make_shared<Operation>();
  start(options, [operation](auto result) { operation->complete(Completion(std::move(result))); });
  return Started(py::cast(operation));
}

ClientBinding::Started ClientBinding::put(std::string_view key, std::string_view value,
                                          const Call& call) {
  return begin(call, [&](const CallOptions& options, auto done) {
    client_->put(key, value, options, client::Client::Callback(std::move(done)));
  });
}

ClientBinding::Started ClientBinding::remove(std::string_view key, const Call& call) {
  return begin(call, [&](const CallOptions& options, auto done) {
    client_->remove(key, options, client::Client::Callback(std::move(done)));
  });
}

ClientBinding::Started ClientBinding::compare_and_put(std::string_view key, std::uint64_t expected,
                                                      std::string_view value, const Call& call) {
  return begin(call, [&](const CallOptions& options, auto done) {
    client_->compare_and_put(key, Revision(expected), value, options,
                             client::Client::Callback(std::move(done)));
  });
}

ClientBinding::Started ClientBinding::get(std::string_view key, ReadMode mode, const Call& call) {
  return begin(call, [&](const CallOptions& options, auto done) {
    client_->get(key, mode, options, client::Client::Callback(std::move(done)));
  });
}

ClientBinding::Started ClientBinding::scan(std::string_view prefix, ReadMode mode,
                                           const Call& call) {
  return begin(call, [&](const CallOptions& options, auto done) {
    client_->scan(prefix, mode, options, client::Client::ScanCallback(std::move(done)));
  });
}

ClientBinding::Started ClientBinding::chain(std::uint64_t first, const Call& call) {
  return begin(call, [&](const CallOptions& options, auto done) {
    client_->chain(Height(first), options, client::Client::ChainCallback(std::move(done)));
  });
}

ClientBinding::Started ClientBinding::admin(std::string_view action, std::string_view argument,
                                            const Call& call) {
  return begin(call, [&](const CallOptions& options, auto done) {
    client_->admin(action, argument, options, client::Client::Callback(std::move(done)));
  });
}

void ClientBinding::begin_close() {
  if (client_ == nullptr || is_forked()) return;
  // Taken first: another thread, which may run while this one waits, finds a closed client.
  closing_ = std::move(client_);
  closing_since_ = Clock::now();
  closing_->begin_close();
}

void ClientBinding::abandon() {
  begin_close();
  if (closing_ && !is_forked()) closing_->abandon();
}

void ClientBinding::close() {
  begin_close();
  if (!closing_ || is_forked()) return;
  const Waiter counted;
  std::shared_ptr<client::Client> closing = closing_;
  for (bool ended = false; !ended;) {
    {
      const py::gil_scoped_release released;
      ended = closing->wait_closed(Clock::now() + kSignalInterval);
    }
    if (ended) break;
    try {
      check_signals();
    } catch (const py::error_already_set&) {
      closing->abandon();
      closing_.reset();
      (void)end_aside(std::move(closing));
      throw;
    }
  }
  closing_.reset();
  const auto ending = end_aside(std::move(closing));
  const auto until = std::max(closing_since_ + kCloseMax, Clock::now() + kEndingMax);
  (void)wait_for(ending->mutex, ending->changed, until, [&] { return ending->over; });
}

py::typing::Dict<py::str, int> ClientBinding::counters() const {
  check_usable();
  const client::Counters counters = client_->counters();
  py::typing::Dict<py::str, int> all;
  all["packets_sent"] = counters.packets_sent;
  all["requests_sent"] = counters.requests_sent;
  all["retries"] = counters.retries;
  all["sessions_opened"] = counters.sessions_opened;
  all["malformed_replies"] = counters.malformed_replies;
  return all;
}

namespace {

std::shared_ptr<ClientBinding> make_client(std::vector<std::string> endpoints,
                                           std::optional<std::uint64_t> cluster, double deadline_s,
                                           double attempt_timeout_s, double session_ttl_s,
                                           std::size_t outstanding_max, std::size_t connections,
                                           bool spread) {
  client::Options options;
  options.endpoints = std::move(endpoints);
  if (cluster) options.cluster = ClusterId(*cluster);
  options.deadline = duration_of(deadline_s, "deadline");
  options.attempt_timeout = duration_of(attempt_timeout_s, "attempt_timeout");
  options.session_ttl = duration_of(session_ttl_s, "session_ttl");
  options.outstanding_max = outstanding_max;
  options.connections = connections;
  options.spread = spread;
  return std::make_shared<ClientBinding>(std::move(options));
}

using Queue = std::optional<std::shared_ptr<CompletionQueue>>;

ClientBinding::Call call_of(double deadline_s, int endpoint, const Queue& queue) {
  return {deadline_s, endpoint, queue.value_or(nullptr)};
}

// A number of the enumeration; the enumeration itself would be read by Python code, at each call.
ReadMode mode_of(int number) {
  if (number < 0 || number > static_cast<int>(ReadMode::ledger)) {
    throw py::value_error("there is no ReadMode " + std::to_string(number));
  }
  return static_cast<ReadMode>(number);
}

std::string_view view_of(const py::bytes& octets) {
  return std::string_view(octets);
}

}  // namespace

void define_client(py::module_& module) {
  py::native_enum<ReadMode>(module, "ReadMode", "enum.IntEnum", "How fresh a read must be.")
      .value("linearizable", ReadMode::linearizable)
      .value("local", ReadMode::local)
      .value("ledger", ReadMode::ledger)
      .finalize();

  py::class_<Operation, std::shared_ptr<Operation>>(module, "Operation",
                                                    "A call under way, to be waited for.")
      .def("done", &Operation::done, "Whether the call has ended.")
      .def(
          "wait",
          [](Operation& self, std::optional<double> seconds) {
            return self.wait(seconds ? Clock::now() + duration_of(*seconds, "timeout") : kNever);
          },
          py::arg("seconds") = py::none(), "Waits; returns whether the call has ended.")
      .def(
          "result",
          [](Operation& self) {
            (void)self.wait(kNever);
            return self.outcome();
          },
          "Waits, and returns what the call came to.")
      .def("outcome", &Operation::outcome, "What the call came to. ValueError before its end.");

  py::class_<CompletionQueue, std::shared_ptr<CompletionQueue>>(module, "CompletionQueue",
                                                                "Ends of calls, for an event loop.")
      .def(py::init<>())
      .def("fileno", &CompletionQueue::fileno, "Readable when drain() would return something.")
      .def("drain", &CompletionQueue::drain, "All (token, outcome) that have come in.");

  const auto deadline = py::arg("deadline") = -1.0;
  const auto endpoint = py::arg("endpoint") = -1;
  const auto queue = py::arg("queue") = py::none();

  py::class_<ClientBinding, std::shared_ptr<ClientBinding>>(module, "Client",
                                                            "The client of the C++ library.")
      .def(py::init(&make_client), py::kw_only(), py::arg("endpoints"), py::arg("cluster"),
           py::arg("deadline"), py::arg("attempt_timeout"), py::arg("session_ttl"),
           py::arg("outstanding_max"), py::arg("connections"), py::arg("spread"))
      .def(
          "put",
          [](ClientBinding& self, const py::bytes& key, const py::bytes& value, double d, int e,
             const Queue& q) { return self.put(view_of(key), view_of(value), call_of(d, e, q)); },
          py::arg("key"), py::arg("value"), deadline, endpoint, queue)
      .def(
          "remove",
          [](ClientBinding& self, const py::bytes& key, double d, int e, const Queue& q) {
            return self.remove(view_of(key), call_of(d, e, q));
          },
          py::arg("key"), deadline, endpoint, queue)
      .def(
          "compare_and_put",
          [](ClientBinding& self, const py::bytes& key, std::uint64_t revision,
             const py::bytes& value, double d, int e, const Queue& q) {
            return self.compare_and_put(view_of(key), revision, view_of(value), call_of(d, e, q));
          },
          py::arg("key"), py::arg("revision"), py::arg("value"), deadline, endpoint, queue)
      .def(
          "get",
          [](ClientBinding& self, const py::bytes& key, int mode, double d, int e, const Queue& q) {
            return self.get(view_of(key), mode_of(mode), call_of(d, e, q));
          },
          py::arg("key"), py::arg("mode"), deadline, endpoint, queue)
      .def(
          "scan",
          [](ClientBinding& self, const py::bytes& prefix, int mode, double d, int e,
             const Queue& q) {
            return self.scan(view_of(prefix), mode_of(mode), call_of(d, e, q));
          },
          py::arg("prefix"), py::arg("mode"), deadline, endpoint, queue)
      .def(
          "chain",
          [](ClientBinding& self, std::uint64_t first, double d, int e, const Queue& q) {
            return self.chain(first, call_of(d, e, q));
          },
          py::arg("first"), deadline, endpoint, queue)
      .def(
          "admin",
          [](ClientBinding& self, const std::string& action, const std::string& argument, double d,
             int e, const Queue& q) { return self.admin(action, argument, call_of(d, e, q)); },
          py::arg("action"), py::arg("argument"), deadline, endpoint, queue)
      .def("check", &ClientBinding::check_usable, "Raises ClosedError or ForkedError.")
      .def("close", &ClientBinding::close, "Ends calls under way; idempotent.")
      .def("begin_close", &ClientBinding::begin_close, "What close() does, but for its wait.")
      .def("abandon", &ClientBinding::abandon, "Closes, and ends the wait of close().")
      .def_property_readonly("closed", &ClientBinding::is_closed)
      .def_property_readonly("forked", &ClientBinding::is_forked)
      .def("counters", &ClientBinding::counters);
}

}  // namespace paxledger::bindings
