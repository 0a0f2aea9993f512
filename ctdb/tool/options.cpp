#include "ctdb/tool/options.h"

#include <charconv>
#include <functional>
#include <map>

namespace Atoll::ctdb {
namespace {

Failure<Error> invalid(const std::string& option, const char* why) {
    return fail(Code::invalid, "", "Invalid option " + option + ": " + why);
}

bool number(const std::string& text, unsigned& out) {
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && error == std::errc() && at == text.data() + text.size();
}

// One option: what it is called, and how its value is taken; without `take` it has none.
struct Known {
    char letter;
    const char* name;
    std::function<bool(const std::string&)> take;
    std::function<void()> set;
};

std::vector<Known> known_options(ToolOptions& options) {
    const auto count = [](unsigned& to) { return [&to](const std::string& text) { return number(text, to); }; };
    return {
        {'n',
         "node",
         [&](const std::string& text) {
             unsigned pnn = 0;
             const bool here = text == "-1";
             if (!here && !number(text, pnn)) return false;
             options.node = here ? std::nullopt : std::optional(pnn);
             return true;
         },
         {}},
        {'t',
         "timelimit",
         [&](const std::string& text) {
             unsigned seconds = 0;
             if (!number(text, seconds)) return false;
             if (seconds != 0) options.time_limit = seconds;
             return true;
         },
         {}},
        {'T', "maxruntime", count(options.max_runtime), {}},
        {'d', "debug", [](const std::string&) { return true; }, {}},
        {'x',
         "separator",
         [&](const std::string& text) {
             if (text.empty()) return false;
             options.format.separator = text[0];
             return true;
         },
         {}},
        {'X',
         "",
         {},
         [&] {
             options.format = {true, '|'};
         }},
        {'Y', "", {}, [&] { options.format.machine = true; }},
        {'v', "verbose", {}, [&] { options.verbose = true; }},
        {'?', "help", {}, [&] { options.help = true; }},
        {'\0', "usage", {}, [&] { options.usage = true; }},
    };
}

class Parser {
 public:
    Parser(const std::vector<std::string>& arguments, ToolOptions& options)
        : arguments_(arguments), options_(options), known_(known_options(options)) {}

    Result<void> run() {
        for (; at_ < arguments_.size(); at_++) {
            const std::string& argument = arguments_[at_];
            if (only_words_ || argument.size() < 2 || argument[0] != '-') {
                options_.words.push_back(argument);
            } else if (argument == "--") {
                only_words_ = true;
            } else if (auto taken = argument[1] == '-' ? long_option(argument) : letters(argument); !taken) {
                return taken;
            }
        }
        return {};
    }

 private:
    Result<void> long_option(const std::string& argument) {
        const size_t equals = argument.find('=');
        const std::string name = argument.substr(2, equals == argument.npos ? argument.npos : equals - 2);
        for (const Known& option : known_) {
            if (name.empty() || name != option.name) continue;
            if (option.set) {
                option.set();
                return {};
            }
            if (equals != argument.npos) return take(option, argument.substr(equals + 1));
            return take_next(option, argument);
        }
        return invalid(argument, "unknown option");
    }

    // Several that have no value may stand behind one dash; a value may follow its letter.
    Result<void> letters(const std::string& argument) {
        for (size_t index = 1; index < argument.size(); index++) {
            const Known* option = with_letter(argument[index]);
            if (option == nullptr) return invalid(argument, "unknown option");
            if (option->set) {
                option->set();
            } else if (index + 1 < argument.size()) {
                return take(*option, argument.substr(index + 1));
            } else {
                return take_next(*option, argument);
            }
        }
        return {};
    }

    [[nodiscard]] const Known* with_letter(char letter) const {
        for (const Known& option : known_) {
            if (option.letter == letter) return &option;
        }
        return nullptr;
    }

    Result<void> take_next(const Known& option, const std::string& argument) {
        if (at_ + 1 >= arguments_.size()) return invalid(argument, "missing argument");
        return take(option, arguments_[++at_]);
    }

    static Result<void> take(const Known& option, const std::string& value) {
        if (option.take(value)) return {};
        return invalid(value, option.letter == 'x' ? "invalid separator" : "invalid numeric value");
    }

    const std::vector<std::string>& arguments_;
    ToolOptions& options_;
    std::vector<Known> known_;
    size_t at_ = 0;
    bool only_words_ = false;
};

}  // namespace

Result<ToolOptions> parse_options(const std::vector<std::string>& arguments) {
    ToolOptions options;
    if (auto parsed = Parser(arguments, options).run(); !parsed) return parsed.failure();
    return options;
}

const char* usage_text() {
    return "Usage: [-?YXv] [-?|--help] [--usage] [-d|--debug=STRING]\n"
           "        [-t|--timelimit=INT] [-n|--node=INT] [-Y] [-x|--separator=CHAR]\n"
           "        [-X] [-v|--verbose] [-T|--maxruntime=INT]\n";
}

const char* help_text() {
    return "Usage: [OPTION...]\n"
           "  -d, --debug=STRING       debug level\n"
           "  -t, --timelimit=INT      timelimit (in seconds)\n"
           "  -n, --node=INT           node specification - integer\n"
           "  -Y                       enable machine readable output\n"
           "  -x, --separator=CHAR     specify separator for machine readable output\n"
           "  -X                       enable machine parsable output with separator |\n"
           "  -v, --verbose            enable verbose output\n"
           "  -T, --maxruntime=INT     die if runtime exceeds this limit (in seconds)\n"
           "\n"
           "Help options:\n"
           "  -?, --help               Show this help message\n"
           "      --usage              Display brief usage message\n";
}

}  // namespace Atoll::ctdb
