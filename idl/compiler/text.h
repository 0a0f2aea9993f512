// Indented output of generated code.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace Atoll::idlc {

class Text {
 public:
    template <class... A>
    void line(fmt::format_string<A...> format, A&&... args) {
        raw(fmt::format(format, std::forward<A>(args)...));
    }
    void raw(const std::string& text) {
        if (!text.empty()) {
            // What starts with a closing brace stands one step to the left, what ends with an opening one moves the rest to the right.
            if (text.front() == '}') depth_--;
            out_.append(static_cast<size_t>(depth_) * 4, ' ');
            out_ += text;
            if (text.back() == '{') depth_++;
        }
        out_ += '\n';
    }
    // As raw, without touching the indentation: namespaces and preprocessor lines.
    void flat(const std::string& text) { out_ += text + "\n"; }
    // A name that no other loop of this output has.
    std::string fresh(const char* stem) { return stem + std::to_string(++counter_); }
    [[nodiscard]] std::string take() { return std::move(out_); }

 private:
    std::string out_;
    int depth_ = 0;
    int counter_ = 0;
};

}  // namespace Atoll::idlc
