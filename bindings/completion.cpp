#include "completion.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "errors.hpp"
#include "waiting.hpp"

namespace paxledger::bindings {
namespace py = pybind11;
namespace {

py::bytes bytes_of(const SharedBytes& octets) {
  return {octets.view().data(), octets.size()};
}

int code_of(ErrorCode code) {
  return static_cast<int>(code);
}

template <class... Parts>
PythonOutcome make_outcome(Parts&&... parts) {
  return PythonOutcome(py::make_tuple(std::forward<Parts>(parts)...));
}

PythonOutcome from_outcome(const client::Outcome& outcome) {
  return make_outcome(code_of(outcome.code), bytes_of(outcome.value), outcome.revision.value(),
                      outcome.height.value(), outcome.message, outcome.trace.leader.value(),
                      outcome.trace.outcome_unknown);
}

PythonOutcome from_error(const Error& error) {
  return make_outcome(code_of(error.code), py::list(), 0, 0, error.message, 0, false);
}

PythonOutcome from_scan(const Result<client::ScanResult>& result) {
  if (!result) return from_error(result.error());
  py::list items(result->items.size());
  for (std::size_t at = 0; at < result->items.size(); ++at) {
    const wire::ScanItem& item = result->items[at];
    items[at] = py::make_tuple(bytes_of(item.key), bytes_of(item.value), item.revision.value());
  }
  return make_outcome(0, items, result->pages, result->height.value(), "", 0, false);
}

PythonOutcome from_chain(const Result<client::ChainPage>& result) {
  if (!result) return from_error(result.error());
  py::list blocks(result->blocks.size());
  for (std::size_t at = 0; at < result->blocks.size(); ++at) {
    blocks[at] = bytes_of(result->blocks[at]);
  }
  return make_outcome(0, blocks, result->first.value(), result->head.value(), "", 0, false);
}

}  // namespace

PythonOutcome to_python(const Completion& completion) {
  if (const auto* outcome = std::get_if<client::Outcome>(&completion)) {
    return from_outcome(*outcome);
  }
  if (const auto* scan = std::get_if<Result<client::ScanResult>>(&completion)) {
    return from_scan(*scan);
  }
  return from_chain(std::get<Result<client::ChainPage>>(completion));
}

Operation::~Operation() {
  if (is_forked()) (void)changed_.release();
}

void Operation::check_process() const {
  enter();
  if (!is_forked()) return;
  raise_named("ForkedError",
              "this call was made before the fork, and can be waited for in the parent only");
}

void Operation::complete(Completion completion) {
  // Under the lock to the end: whoever waits may destroy the operation as soon as it is released.
  const std::lock_guard lock(mutex_);
  completion_ = std::move(completion);
  if (changed_) changed_->notify_all();
}

bool Operation::done() const {
  check_process();
  const std::lock_guard lock(mutex_);
  return completion_.has_value();
}

bool Operation::wait(std::chrono::steady_clock::time_point until) {
  check_process();
  {
    const std::lock_guard lock(mutex_);
    if (completion_) return true;
    if (!changed_) changed_ = std::make_unique<std::condition_variable>();
  }
  return wait_for(mutex_, *changed_, until, [this] { return completion_.has_value(); });
}

PythonOutcome Operation::outcome() const {
  if (!done()) throw py::value_error("the operation is still under way");
  return to_python(*completion_);  // written once, so it may be read without the lock
}

CompletionQueue::CompletionQueue() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

CompletionQueue::~CompletionQueue() {
  close(descriptor_);
}

void CompletionQueue::push(std::uint64_t token, Completion completion) {
  const std::lock_guard lock(mutex_);
  completed_.emplace_back(token, std::move(completion));
  // Only the first of a run wakes the loop. The counter of an eventfd cannot overflow by ones.
  if (completed_.size() == 1) (void)eventfd_write(descriptor_, 1);
}

CompletionQueue::Drained CompletionQueue::drain() {
  enter();
  if (generation_ != fork_generation) {
    raise_named("ForkedError", "this queue belongs to the process that made it, not to its fork");
  }
  std::deque<std::pair<std::uint64_t, Completion>> taken;
  {
    // With the GIL, for the I/O thread holds the lock but for a moment.
    const std::lock_guard lock(mutex_);
    taken.swap(completed_);
    eventfd_t ignored = 0;
    (void)eventfd_read(descriptor_, &ignored);  // empty already: EAGAIN
  }
  Drained all(py::list(taken.size()));
  for (std::size_t at = 0; at < taken.size(); ++at) {
    all[at] = py::make_tuple(taken[at].first, to_python(taken[at].second));
  }
  return all;
}

}  // namespace paxledger::bindings
