// Splits an .idl source into tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace Atoll::idlc {

struct Token {
    enum class Kind {
        end,
        name,    // identifier or keyword
        number,  // value holds it
        word,    // starts with a digit but is no number: part of a UUID
        text,    // "quoted"
        symbol,  // one character, or two of C's operators; but > > are two, for sequence<sequence<T>>
    };
    Kind kind = Kind::end;
    std::string text;
    uint64_t value = 0;
    int line = 0;
};

// The tokens, the last of kind end. Error: invalid, where is file:line.
Result<std::vector<Token>> tokenize(std::string_view source, const std::string& file);

}  // namespace Atoll::idlc
