#include "cli/chain_commands.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <utility>

#include "cli/chain_compare.hpp"
#include "cli/chain_reader.hpp"
#include "cli/history_file.hpp"
#include "cli/table.hpp"
#include "ledger/block.hpp"
#include "storage/posix_disk.hpp"
#include "storage/verify.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kHashDigitsShown = 12;
// Reading a long chain from a disk takes its time.
constexpr auto kVerifyPatience = std::chrono::minutes(10);

// What one chain came to. Node, directory and file all end up here.
struct Verdict {
  enum class State : std::uint8_t {
    intact,
    repairing,  // what is there is whole, but blocks are still missing
    damaged,    // what is there is not what was written
    diverged,   // whole in itself, but another history than that of the others
    unread,     // it could not be looked at
  };
  std::string name;
  State state = State::intact;
  std::string reason;  // repairing, unread: why
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;
  std::uint64_t height = 0;
  std::string head;
  Json problems = Json::array();
  Json repair;  // repairing: what the node says of it, if it does

  // Whether the blocks up to `height` are whole, so that they can be held against other chains.
  [[nodiscard]] bool is_comparable() const {
    return state == State::intact || state == State::repairing;
  }
  void set_unread(const Error& error) {
    // A node that sets history aside answers so what was under way.
    state = error.code == ErrorCode::repairing ? State::repairing : State::unread;
    reason = error.message;
  }
  void add_problem(State kind, const std::string& file, std::uint64_t at, const std::string& text) {
    state = kind;
    problems.push_back({{"file", file}, {"offset", 0}, {"height", at}, {"text", text}});
  }
};
using State = Verdict::State;

std::string_view word_of(State state) {
  switch (state) {
    case State::intact:
      return "intact";
    case State::repairing:
      return "repairing";
    case State::damaged:
      return "damaged";
    case State::diverged:
      return "diverged";
    case State::unread:
      break;
  }
  return "not read";
}

Verdict named(std::string name) {
  Verdict verdict;
  verdict.name = std::move(name);
  return verdict;
}

// --- Verification -------------------------------------------------------------------------------

Verdict verdict_of(std::string name, const client::Outcome& answer) {
  Verdict verdict = named(std::move(name));
  const Json json = answer.ok() ? parse(answer.value.view()) : Json();
  if (!json.is_object()) {
    verdict.set_unread(answer.ok() ? Error{ErrorCode::io, "gave an answer that is no JSON"}
                                   : answer.error());
    return verdict;
  }
  verdict.blocks = get_or(json, "blocks", std::uint64_t{0});
  verdict.bytes = get_or(json, "bytes", std::uint64_t{0});
  verdict.height = get_or(json, "height", verdict.blocks);
  verdict.head = get_or(json, "head", std::string());
  if (json.contains("problems") && json["problems"].is_array()) verdict.problems = json["problems"];
  if (!verdict.problems.empty()) {
    verdict.state = State::damaged;
  } else if (get_or(json, "repairing", false)) {
    verdict.state = State::repairing;
    if (json.contains("repair") && json["repair"].is_object()) verdict.repair = json["repair"];
    verdict.reason = get_or(verdict.repair, "reason", std::string("the node does not say why"));
  } else if (!get_or(json, "ok", false)) {
    verdict.add_problem(State::damaged, "-", 0,
                        get_or(json, "error", std::string("the node gave no reason")));
  }
  return verdict;
}

Verdict verdict_of(std::string name, const Result<storage::VerifyReport>& report) {
  Verdict verdict = named(std::move(name));
  if (!report) {
    verdict.set_unread(report.error());
    return verdict;
  }
  verdict.blocks = report->blocks;
  verdict.bytes = report->bytes;
  verdict.height = report->height.value();
  verdict.head = report->hash.hex();
  for (const auto& problem : report->problems) {
    verdict.state = State::damaged;
    verdict.problems.push_back({{"file", problem.file},
                                {"offset", problem.offset},
                                {"height", problem.height.value()},
                                {"text", problem.text}});
  }
  return verdict;
}

// --- Comparison ---------------------------------------------------------------------------------

// The hash of block `height` of verdict number `i`.
using HashOf = std::function<Result<std::string>(std::size_t i, Height height)>;

std::string names_of(const std::vector<std::size_t>& indices,
                     const std::vector<Verdict>& verdicts) {
  std::string names;
  for (const std::size_t i : indices) names += (names.empty() ? "" : ", ") + verdicts[i].name;
  return names;
}

void add_divergence(std::vector<Verdict>& verdicts, const History& history, const History& other) {
  const std::string at = std::to_string(history.parts_at.value());
  for (const std::size_t i : history.names) {
    if (std::count(history.shared.begin(), history.shared.end(), i) > 0) continue;
    verdicts[i].add_problem(State::diverged, "-", history.parts_at.value(),
                            "block " + at + " has the hash " + history.hash + ", but on " +
                                names_of(other.names, verdicts) + " " + history.other_hash +
                                "; from there on it is another history");
  }
}

// Each chain may be whole and yet not be the same. Where several histories are told, a majority
// of all that were asked says which is the right one; without a majority none is.
std::vector<History> compare(std::vector<Verdict>& verdicts, const HashOf& hash_of) {
  std::vector<ComparedChain> chains;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (!verdicts[i].is_comparable() || verdicts[i].head.empty()) continue;
    chains.push_back({i, Height(verdicts[i].height), verdicts[i].head,
                      [&hash_of, i](Height height) { return hash_of(i, height); }});
  }
  Comparison comparison = compare_chains(std::move(chains));
  for (const auto& [i, error] : comparison.unread) verdicts[i].set_unread(error);
  const auto& histories = comparison.histories;
  if (histories.size() < 2) return histories;
  const History& first = histories.front();
  if (2 * (first.names.size() - first.shared.size()) <= verdicts.size()) {
    add_divergence(verdicts, first, histories[1]);
  }
  for (std::size_t k = 1; k < histories.size(); ++k) {
    add_divergence(verdicts, histories[k], first);
  }
  return histories;
}

// --- What is shown ------------------------------------------------------------------------------

Json verdict_json(const Verdict& verdict) {
  Json json{{"name", verdict.name},
            {"ok", verdict.state == State::intact},
            {"verdict", word_of(verdict.state)}};
  if (!verdict.reason.empty()) json["error"] = verdict.reason;
  if (!verdict.repair.is_null()) json["repair"] = verdict.repair;
  json["blocks"] = verdict.blocks;
  json["bytes"] = verdict.bytes;
  json["height"] = verdict.height;
  json["head"] = verdict.head;
  json["problems"] = verdict.problems;
  return json;
}

Json history_json(const History& history, const std::vector<Verdict>& verdicts) {
  Json json{{"chains", Json::array()}};
  for (const std::size_t i : history.names) json["chains"].push_back(verdicts[i].name);
  json["height"] = verdicts[history.names.front()].height;
  json["head"] = verdicts[history.names.front()].head;
  json["parts_at"] = history.parts_at.value();
  return json;
}

// "restored 57 of 900 blocks, from 12 on".
std::string repair_text(const Json& repair) {
  const auto from = get_or(repair, "from", std::uint64_t{0});
  const auto through = get_or(repair, "through", std::uint64_t{0});
  if (from == 0) return {};
  return "blocks were missing from height " + std::to_string(from) +
         (through == 0 ? std::string(" on") : " to " + std::to_string(through)) +
         ", restored up to " + std::to_string(get_or(repair, "restored", std::uint64_t{0})) + "; ";
}

void print_verdicts(const std::vector<Verdict>& verdicts, const std::vector<History>& histories) {
  Table table({{"CHAIN"},
               {"VERDICT"},
               {"HEIGHT", Table::Align::right},
               {"HEAD"},
               {"BLOCKS", Table::Align::right},
               {"BYTES", Table::Align::right}});
  for (const Verdict& each : verdicts) {
    std::string word(word_of(each.state));
    if (each.state == State::damaged) word = "DAMAGED";
    if (each.state == State::diverged) word = "DIVERGED";
    table.add({each.name, word, std::to_string(each.height), each.head.substr(0, kHashDigitsShown),
               grouped(each.blocks), size_text(each.bytes)});
  }
  std::cout << table.text();
  for (const Verdict& each : verdicts) {
    if (each.state == State::unread) std::cerr << each.name << ": " << each.reason << "\n";
    if (each.state == State::repairing) {
      std::cout << each.name << ": repairing: " << repair_text(each.repair) << each.reason << "\n";
    }
    for (const Json& problem : each.problems) {
      std::cout << each.name << ": " << get_or(problem, "file", std::string("?")) << ", offset "
                << get_or(problem, "offset", std::uint64_t{0}) << ", height "
                << get_or(problem, "height", std::uint64_t{0}) << ": "
                << get_or(problem, "text", std::string("?")) << "\n";
    }
  }
  if (histories.size() < 2) return;
  std::cout << "there are " << histories.size() << " histories:\n";
  for (std::size_t k = 0; k < histories.size(); ++k) {
    const Verdict& longest = verdicts[histories[k].names.front()];
    std::cout << "  " << names_of(histories[k].names, verdicts)
              << (histories[k].names.size() > 1 ? " agree" : " stands alone") << "; height "
              << longest.height << ", head " << longest.head.substr(0, kHashDigitsShown);
    if (k > 0) {
      std::cout << "; parts from the first at block " << histories[k].parts_at.value();
    }
    std::cout << "\n";
  }
}

ExitCode show_verdicts(const CommonOptions& options, const std::vector<Verdict>& verdicts,
                       const std::vector<History>& histories) {
  const auto any = [&](State state) {
    return std::any_of(verdicts.begin(), verdicts.end(),
                       [state](const Verdict& each) { return each.state == state; });
  };
  const bool ok = std::all_of(verdicts.begin(), verdicts.end(),
                              [](const Verdict& each) { return each.state == State::intact; });
  if (options.json()) {
    Json json{{"ok", ok}, {"chains", Json::array()}, {"histories", Json::array()}};
    for (const Verdict& each : verdicts) json["chains"].push_back(verdict_json(each));
    for (const History& each : histories) {
      json["histories"].push_back(history_json(each, verdicts));
    }
    std::cout << dump(json) << "\n";
  } else {
    print_verdicts(verdicts, histories);
  }
  if (any(State::damaged) || any(State::diverged)) return ExitCode::not_intact;
  if (any(State::unread)) return ExitCode::other;
  return any(State::repairing) ? ExitCode::no_quorum : ExitCode::ok;
}

// The data directories of nodes at `root`: itself, or those in it.
std::vector<std::filesystem::path> data_directories(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    if (entry.is_directory(error) && entry.path().filename().string().starts_with("node-")) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  if (found.empty()) found.push_back(root);
  return found;
}

ExitCode verify_directories(const CommonOptions& options, const std::string& root) {
  storage::PosixDisk disk;
  std::vector<Verdict> verdicts;
  std::vector<Result<storage::VerifyReport>> reports;
  for (const auto& directory : data_directories(root)) {
    reports.push_back(storage::verify_directory(disk, directory.string(), {}));
    verdicts.push_back(verdict_of(directory.string(), reports.back()));
  }
  const auto histories = compare(verdicts, [&](std::size_t i, Height height) {
    return Result<std::string>(reports[i]->hashes[height.value() - 1].hex());
  });
  return show_verdicts(options, verdicts, histories);
}

ExitCode verify_file(const CommonOptions& options, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return report(options, {ErrorCode::io, "cannot open " + file});
  const auto summary = verify_history(in);
  Verdict verdict = named(file);
  if (!summary) {
    verdict.set_unread(summary.error());
    return show_verdicts(options, {verdict}, {});
  }
  // Of a damaged file: how far it is whole.
  verdict.blocks = verdict.height = summary->height.value();
  verdict.bytes = summary->bytes;
  if (verdict.blocks > 0) verdict.head = summary->hash.hex();
  if (const auto& damage = summary->damage) {
    verdict.add_problem(State::damaged, file, damage->height.value(), damage->text);
    verdict.problems.back()["offset"] = damage->offset;
    verdict.problems.back()["line"] = damage->line;
  }
  return show_verdicts(options, {verdict}, {});
}

Result<std::string> hash_on_node(client::Client& db, std::size_t endpoint, Height height) {
  client::CallOptions call;
  call.endpoint = endpoint;
  std::string hash;
  const auto read =
      read_blocks(db, call, height, height, [&](const ledger::Block& block) -> Result<void> {
        hash = block.hash.hex();
        return {};
      });
  if (!read) return read.error();
  return hash;
}

}  // namespace

ExitCode chain_verify(const CommonOptions& options, const ChainArguments& arguments) {
  if (!arguments.data_dir.empty()) return verify_directories(options, arguments.data_dir);
  if (!arguments.file.empty()) return verify_file(options, arguments.file);
  const auto target = find_target(options);
  if (!target) return report(options, target.error());
  auto db = connect(options, *target);
  if (!db) return report(options, db.error());
  const auto about = endpoints_about(**db, *target, arguments.node);
  if (!about) return report(options, about.error());
  const auto answers = ask(**db, "verify", *about, kVerifyPatience);
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < about->size(); ++i) {
    verdicts.push_back(verdict_of(target->name_of((*about)[i]), answers[i]));
  }
  const auto histories = compare(verdicts, [&](std::size_t i, Height height) {
    return hash_on_node(**db, (*about)[i], height);
  });
  return show_verdicts(options, verdicts, histories);
}

}  // namespace paxledger::cli
