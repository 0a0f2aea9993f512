// Turns structures into text for people and JSON for programs; generated describe() functions drive it. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/guid.h"
#include "base/sid.h"
#include "base/time.h"

namespace Atoll::idl {

class Printer {
 public:
    enum class Form { text, json };
    explicit Printer(Form form) : form_(form) {}

    void begin_struct(std::string_view type);
    void end_struct();
    void field(std::string_view name);  // the next value or begin_ is this member's
    void begin_list();
    void end_list();
    void element();  // before each element of a list

    void number(uint64_t v);
    void signed_number(int64_t v);
    void hex(uint64_t v);  // text: 0x1f; JSON: a number
    void boolean(bool v);
    void null();
    void text(std::string_view v);  // invalid UTF-8: \xNN in text, U+FFFD in JSON
    void bytes(Bytes v);            // hexadecimal digits
    void name(std::string_view v);  // an enumerator
    void guid(const Guid& v) { name(to_string(v)); }
    void context_handle(uint32_t attributes, const Guid& uuid);  // "attributes uuid"
    void sid(const Sid& v) { name(to_string(v)); }
    void time(NtTime v);  // UTC, ISO 8601 with 7 decimals; "never" for 0

    [[nodiscard]] std::string take() { return std::move(out_); }

 private:
    void newline();
    void quoted(std::string_view v);

    Form form_;
    std::string out_;
    int depth_ = 0;
    bool first_ = true;  // no comma is due before the next member or element
};

}  // namespace Atoll::idl
