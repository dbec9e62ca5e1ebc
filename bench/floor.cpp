// What no replicated write of this design can beat on this machine: the time of a ZeroMQ round trip
// over loopback and of an fdatasync of a small append, as JSON.
//
//   paxledger_floor FOLDER [COUNT]     FOLDER: on the disk that counts; COUNT: samples of each
//
// A write needs two round trips (client to leader, leader to follower) and one sync, for the disks
// of a majority are synced at the same time.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMessageBytes = 300;
constexpr std::size_t kAppendBytes = 512;
constexpr std::size_t kFileBytes = std::size_t{16} << 20;

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

double percentile(std::vector<double>& sorted, double fraction) {
  return sorted[static_cast<std::size_t>(fraction * static_cast<double>(sorted.size() - 1))];
}

void print(const char* name, std::vector<double> samples, const char* end) {
  std::sort(samples.begin(), samples.end());
  std::printf("\"%s\": {\"p50\": %.1f, \"p99\": %.1f}%s", name, percentile(samples, 0.5),
              percentile(samples, 0.99), end);
}

// Two contexts, so that each end has an I/O thread of its own, as two processes have.
std::vector<double> round_trips(std::size_t count) {
  zmq::context_t there;
  zmq::socket_t server(there, zmq::socket_type::router);
  server.bind("tcp://127.0.0.1:*");
  const std::string endpoint = server.get(zmq::sockopt::last_endpoint);
  std::thread echo([&] {
    for (std::size_t i = 0; i < count; ++i) {
      zmq::message_t who;
      zmq::message_t what;
      static_cast<void>(server.recv(who));
      static_cast<void>(server.recv(what));
      server.send(who, zmq::send_flags::sndmore);
      server.send(what, zmq::send_flags::none);
    }
  });
  zmq::context_t here;
  zmq::socket_t client(here, zmq::socket_type::dealer);
  client.connect(endpoint);
  std::vector<double> samples;
  for (std::size_t i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    client.send(zmq::message_t(kMessageBytes), zmq::send_flags::none);
    zmq::message_t answer;
    static_cast<void>(client.recv(answer));
    samples.push_back(microseconds_since(begin));
  }
  echo.join();
  return samples;
}

void demand(bool done, const char* what) {
  if (done) return;
  std::perror(what);
  std::exit(1);
}

// Into a file that is allocated and written before, as the log's segments are.
std::vector<double> syncs(const std::string& folder, std::size_t count) {
  const std::string path = folder + "/floor";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  demand(file >= 0, path.c_str());
  const std::string zeros(kFileBytes, '\0');
  demand(::pwrite(file, zeros.data(), zeros.size(), 0) == static_cast<ssize_t>(zeros.size()),
         "pwrite");
  demand(::fsync(file) == 0, "fsync");
  const std::string octets(kAppendBytes, 'x');
  std::vector<double> samples;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<off_t>(i * kAppendBytes % kFileBytes);
    const auto begin = Clock::now();
    demand(::pwrite(file, octets.data(), octets.size(), at) == static_cast<ssize_t>(kAppendBytes),
           "pwrite");
    demand(::fdatasync(file) == 0, "fdatasync");
    samples.push_back(microseconds_since(begin));
  }
  ::close(file);
  ::unlink(path.c_str());
  return samples;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: paxledger_floor FOLDER [COUNT]\n");
    return 2;
  }
  const std::size_t count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 2000;
  std::printf("{");
  print("round_trip_us", round_trips(std::max<std::size_t>(count, 1)), ", ");
  print("sync_us", syncs(argv[1], std::max<std::size_t>(count, 1)), "}\n");
  return 0;
}
