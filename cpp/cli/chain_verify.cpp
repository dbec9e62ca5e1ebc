#include "cli/chain_commands.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <utility>

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
  std::string name;
  std::string unreachable;  // why it could not be looked at; empty otherwise
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;
  std::uint64_t height = 0;
  std::string head;
  Json problems = Json::array();
  [[nodiscard]] bool intact() const { return unreachable.empty() && problems.empty(); }
};

// --- Verification -------------------------------------------------------------------------------

void add_problem(Verdict& verdict, const std::string& file, std::uint64_t height,
                 const std::string& text) {
  verdict.problems.push_back({{"file", file}, {"offset", 0}, {"height", height}, {"text", text}});
}

Verdict verdict_of(std::string name, const client::Outcome& answer) {
  Verdict verdict{std::move(name), {}, 0, 0, 0, {}, Json::array()};
  const Json json = answer.ok() ? parse(answer.value.view()) : Json();
  if (!json.is_object()) {
    verdict.unreachable = answer.ok() ? "gave an answer that is no JSON" : answer.error().message;
    return verdict;
  }
  verdict.blocks = get_or(json, "blocks", std::uint64_t{0});
  verdict.bytes = get_or(json, "bytes", std::uint64_t{0});
  verdict.height = get_or(json, "height", verdict.blocks);
  verdict.head = get_or(json, "head", std::string());
  if (json.contains("problems") && json["problems"].is_array()) verdict.problems = json["problems"];
  if (!get_or(json, "ok", false) && verdict.problems.empty()) {
    add_problem(verdict, "-", 0, get_or(json, "error", std::string("the node gave no reason")));
  }
  return verdict;
}

Verdict verdict_of(std::string name, const Result<storage::VerifyReport>& report) {
  Verdict verdict{std::move(name), {}, 0, 0, 0, {}, Json::array()};
  if (!report) {
    verdict.unreachable = report.error().message;
    return verdict;
  }
  verdict.blocks = report->blocks;
  verdict.bytes = report->bytes;
  verdict.height = report->height.value();
  verdict.head = report->hash.hex();
  for (const auto& problem : report->problems) {
    verdict.problems.push_back({{"file", problem.file},
                                {"offset", problem.offset},
                                {"height", problem.height.value()},
                                {"text", problem.text}});
  }
  return verdict;
}

// Each chain may be whole and yet not be the same: the block at the greatest height that all have
// is compared. Adds a problem to every node that differs from the first.
void compare_nodes(client::Client& db, const std::vector<std::size_t>& endpoints,
                   std::vector<Verdict>& verdicts) {
  std::uint64_t common = std::numeric_limits<std::uint64_t>::max();
  for (const Verdict& verdict : verdicts) {
    if (verdict.intact()) common = std::min(common, verdict.height);
  }
  if (common == 0 || common == std::numeric_limits<std::uint64_t>::max()) return;
  std::optional<std::pair<std::string, Digest>> first;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (!verdicts[i].intact()) continue;
    client::CallOptions call;
    call.endpoint = endpoints[i];
    Digest hash;
    const auto read = read_blocks(db, call, Height(common), Height(common),
                                  [&](const ledger::Block& block) -> Result<void> {
                                    hash = block.hash;
                                    return {};
                                  });
    if (!read) {
      verdicts[i].unreachable = read.error().message;
    } else if (!first) {
      first = {verdicts[i].name, hash};
    } else if (first->second != hash) {
      add_problem(verdicts[i], "-", common,
                  "block " + std::to_string(common) + " has the hash " + hash.hex() + ", but on " +
                      first->first + " " + first->second.hex());
    }
  }
}

ExitCode show_verdicts(const CommonOptions& options, const std::vector<Verdict>& verdicts) {
  const bool damage = std::any_of(verdicts.begin(), verdicts.end(),
                                  [](const Verdict& each) { return !each.problems.empty(); });
  const bool missing = std::any_of(verdicts.begin(), verdicts.end(),
                                   [](const Verdict& each) { return !each.unreachable.empty(); });
  if (options.json()) {
    Json chains = Json::array();
    for (const Verdict& each : verdicts) {
      Json json{{"name", each.name}, {"ok", each.intact()}};
      if (!each.unreachable.empty()) json["error"] = each.unreachable;
      json["blocks"] = each.blocks;
      json["bytes"] = each.bytes;
      json["height"] = each.height;
      json["head"] = each.head;
      json["problems"] = each.problems;
      chains.push_back(std::move(json));
    }
    std::cout << dump(Json{{"ok", !damage && !missing}, {"chains", std::move(chains)}}) << "\n";
  } else {
    Table table({{"CHAIN"},
                 {"VERDICT"},
                 {"HEIGHT", Table::Align::right},
                 {"HEAD"},
                 {"BLOCKS", Table::Align::right},
                 {"BYTES", Table::Align::right}});
    for (const Verdict& each : verdicts) {
      table.add({each.name,
                 each.intact()               ? "intact"
                 : !each.unreachable.empty() ? "not read"
                                             : "NOT INTACT",
                 std::to_string(each.height), each.head.substr(0, kHashDigitsShown),
                 grouped(each.blocks), size_text(each.bytes)});
    }
    std::cout << table.text();
    for (const Verdict& each : verdicts) {
      if (!each.unreachable.empty()) std::cerr << each.name << ": " << each.unreachable << "\n";
      for (const Json& problem : each.problems) {
        std::cout << each.name << ": " << get_or(problem, "file", std::string("?")) << ", offset "
                  << get_or(problem, "offset", std::uint64_t{0}) << ", height "
                  << get_or(problem, "height", std::uint64_t{0}) << ": "
                  << get_or(problem, "text", std::string("?")) << "\n";
      }
    }
  }
  if (damage) return ExitCode::not_intact;
  return missing ? ExitCode::other : ExitCode::ok;
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

// Each chain may be whole and yet not be the same. Every directory is compared with the first
// intact one, block by block, so that the place where they part is named.
void compare_histories(const std::vector<Result<storage::VerifyReport>>& reports,
                       std::vector<Verdict>& verdicts) {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    if (!verdicts[i].intact()) continue;
    if (!first) {
      first = i;
      continue;
    }
    const auto& ours = reports[i]->hashes;
    const auto& theirs = reports[*first]->hashes;
    const auto common = std::min(ours.size(), theirs.size());
    const auto parting = std::mismatch(
        ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(common), theirs.begin());
    const auto at = static_cast<std::uint64_t>(parting.first - ours.begin());
    if (at == common) continue;
    add_problem(verdicts[i], "-", at + 1,
                "block " + std::to_string(at + 1) + " has the hash " + parting.first->hex() +
                    ", but in " + verdicts[*first].name + " " + parting.second->hex());
  }
}

ExitCode verify_directories(const CommonOptions& options, const std::string& root) {
  storage::PosixDisk disk;
  std::vector<Verdict> verdicts;
  std::vector<Result<storage::VerifyReport>> reports;
  for (const auto& directory : data_directories(root)) {
    reports.push_back(storage::verify_directory(disk, directory.string(), {}));
    verdicts.push_back(verdict_of(directory.string(), reports.back()));
  }
  compare_histories(reports, verdicts);
  return show_verdicts(options, verdicts);
}

ExitCode verify_file(const CommonOptions& options, const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return report(options, {ErrorCode::io, "cannot open " + file});
  const auto summary = verify_history(in);
  Verdict verdict{file, {}, 0, 0, 0, {}, Json::array()};
  if (summary) {
    verdict.blocks = verdict.height = summary->height.value();
    verdict.bytes = summary->bytes;
    verdict.head = summary->hash.hex();
  } else if (summary.error().code == ErrorCode::io) {
    verdict.unreachable = summary.error().message;
  } else {
    add_problem(verdict, file, 0, summary.error().message);
  }
  return show_verdicts(options, {verdict});
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
  compare_nodes(**db, *about, verdicts);
  return show_verdicts(options, verdicts);
}

}  // namespace paxledger::cli
