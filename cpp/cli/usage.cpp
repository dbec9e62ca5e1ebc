#include "cli/usage.hpp"

#include <algorithm>
#include <numeric>

#include "cli/terminal_text.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kColumnsOfText = 40;

std::string in_quotes(std::string_view text) {
  return "'" + shown(text, kColumnsOfText) + "'";
}

// How many letters must be put in, left out, changed or swapped with the next.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> steps(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        steps[i][j] = i + j;
        continue;
      }
      steps[i][j] = std::min({steps[i - 1][j] + 1, steps[i][j - 1] + 1,
                              steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) steps[i][j] = std::min(steps[i][j], steps[i - 2][j - 2] + 1);
    }
  }
  return steps[a.size()][b.size()];
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// The options of a command as they are written, e.g. "-f" and "--file".
std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

bool looks_like_option(std::string_view argument) {
  return argument.size() > 1 && argument.starts_with("-") && argument != "--";
}

bool is(const CLI::ParseError& error, CLI::ExitCodes kind) {
  return error.get_exit_code() == static_cast<int>(kind);
}

bool takes_octets(const CLI::App& command) {
  const auto options = command.get_options();
  return std::any_of(options.begin(), options.end(), [](const CLI::Option* option) {
    return option->get_positional() && option->get_type_name() == "TEXT";
  });
}

std::string dash_hint(const CLI::App& command) {
  return "; an argument that begins with a dash goes behind --, as in `" +
         command.get_parent()->get_name() + " " + command.get_name() + " -- -x`";
}

std::string about_option(const CLI::App& command, const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  std::string text = "there is no option " + in_quotes(name);
  // Of one letter, each is a letter away from every other.
  const std::string meant = name.size() > 2 ? nearest(name, option_names(command)) : "";
  if (!meant.empty()) {
    text += "; did you mean " + meant + "?";
  } else if (takes_octets(command)) {
    text += dash_hint(command);
  }
  return text;
}

// What is wrong behind the name of a command.
std::string about_arguments(const CLI::App& command, const std::vector<std::string>& arguments,
                            const std::vector<std::string>& left, const CLI::ParseError& error) {
  for (const std::string& argument : left) {
    if (looks_like_option(argument)) return about_option(command, argument);
  }
  if (is(error, CLI::ExitCodes::ExtrasError) && !left.empty()) {
    return "there is no place for " + in_quotes(left.front());
  }
  std::string text = safe_message(error.what());
  if (is(error, CLI::ExitCodes::ArgumentMismatch)) {
    const bool missing = text.find("missing") != std::string::npos;
    text.erase(std::min(text.find(':'), text.size()));
    return text + (missing ? " needs a value" : " is given more than once");
  }
  if (is(error, CLI::ExitCodes::RequiredError) && takes_octets(command)) {
    // `put -file v`: -f took it as its value, and so it is missed elsewhere.
    const auto known = option_names(command);
    const bool odd = std::any_of(arguments.begin(), arguments.end(), [&](const auto& argument) {
      return looks_like_option(argument) && !argument.starts_with("--") &&
             std::find(known.begin(), known.end(), argument) == known.end();
    });
    if (odd) text += dash_hint(command);
  }
  return text;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& words) {
  constexpr std::size_t kLettersMax = 32;
  if (word.size() > kLettersMax) return {};
  std::string best;
  // A third of the letters may be wrong, so that "x" is no slip of "up".
  std::size_t steps = std::max<std::size_t>(1, word.size() / 3);
  if (word.size() < 3) steps = word.size() - std::min<std::size_t>(1, word.size());
  for (const std::string& each : words) {
    const std::size_t needed = distance(word, each);
    const bool begins = word.size() > 2 && each.starts_with(word);
    if (needed < steps + (best.empty() ? 1 : 0) || (begins && best.empty())) {
      best = each;
      steps = std::min(steps, needed);
    }
  }
  return best;
}

bool wants_json(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") return false;
    const bool named = argument == "-o" || argument == "--output";
    if (named && i + 1 < arguments.size() && arguments[i + 1] == "json") return true;
    if (argument == "-ojson" || argument == "-o=json" || argument == "--output=json") return true;
  }
  return false;
}

std::string explain(const CLI::App& app, const std::vector<std::string>& arguments,
                    const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string path = app.get_name();
  std::size_t at = 0;
  std::string wrong;
  while (wrong.empty()) {
    const auto names = commands_of(*command);
    if (names.empty()) {
      wrong = about_arguments(
          *command, {arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end()},
          app.remaining(true), error);
      break;
    }
    const std::string list = "; the commands are " + listed(names);
    if (at == arguments.size()) {
      wrong = "a command is missing" + list;
    } else if (looks_like_option(arguments[at])) {
      wrong = "options go behind the command, but " + in_quotes(arguments[at]) +
              " stands where a command is expected" + list;
    } else if (std::find(names.begin(), names.end(), arguments[at]) == names.end()) {
      const std::string meant = nearest(arguments[at], names);
      wrong = "there is no command " + in_quotes(arguments[at]) +
              (meant.empty() ? list : "; did you mean " + meant + "?");
    } else {
      command = command->get_subcommand(arguments[at++]);
      path += " " + command->get_name();
    }
  }
  const std::size_t space = path.find(' ');
  const std::string where = space == std::string::npos ? "" : path.substr(space + 1) + ": ";
  return where + wrong + " (`" + path + " --help`)";
}

}  // namespace paxledger::cli
