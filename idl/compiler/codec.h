// Writes the C++ that encodes and decodes one value, in the three passes of NDR (C706 14.3): the maximum counts of conformant arrays
// first, then the value itself, then what its pointers point to.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "idl/compiler/ast.h"
#include "idl/compiler/text.h"

namespace Atoll::idlc {

class Codec {
 public:
    using Resolve = std::function<std::string(const std::string&)>;  // the C++ of a member that size_is and its like name

    // `presized`: arrays with a counter have their size before their elements come (members of structures).
    Codec(Text& out, std::string space, Resolve resolve, bool presized)
        : out_(out), space_(std::move(space)), resolve_(std::move(resolve)), presized_(presized) {}

    // `e` is a C++ expression for the value. Streams are called ndr.
    void put_conformance(const Type& type, const std::string& e);
    void put(const Type& type, const std::string& e);
    void put_deferred(const Type& type, const std::string& e);
    void get_conformance(const Type& type, const std::string& e);
    void get(const Type& type, const std::string& e);
    void get_deferred(const Type& type, const std::string& e);
    // All three: what a pointer points to, a parameter.
    void put_whole(const Type& type, const std::string& e);
    void get_whole(const Type& type, const std::string& e);
    // Checks of sizes that wait until all members are known: to be called at the end.
    void finish();

 private:
    template <class Body>
    void each(const std::string& e, const char* qualifiers, Body body);
    template <class Body>
    void guarded(bool may_be_null, const std::string& e, Body body);
    void put_integer(const Type& type, const std::string& e);
    void get_integer(const Type& type, const std::string& e);
    void put_array(const Type& type, const std::string& e);
    void get_array(const Type& type, const std::string& e);
    void put_elements(const Type& type, const std::string& e);
    void get_elements(const Type& type, const std::string& e);
    void get_variance(const Type& type, const std::string& e);
    void put_pointee(const Type& pointer, const std::string& e, const std::string& inner);
    void get_pointee(const Type& pointer, const std::string& e, const std::string& inner);
    void get_pointer(const Type& type, const std::string& e);
    void put_string(const Type& type, const std::string& e);
    void get_string(const Type& type, const std::string& e);
    void put_subcontext(const Type& type, const std::string& e);
    void get_subcontext(const Type& type, const std::string& e);
    void get_optional(const Type& type, const std::string& e);
    void check_later(const std::string& condition, const std::string& why);
    [[nodiscard]] std::string cpp(const ExpressionPtr& e) const;
    [[nodiscard]] std::string tag_of(const Type& type) const;
    [[nodiscard]] std::string elements_to_put(const Type& type, const std::string& e) const;

    Text& out_;
    std::string space_;
    Resolve resolve_;
    bool presized_;
    int loops_ = 0;
    std::vector<std::string> guards_;  // the pointers that are not null where the code is
    std::vector<std::pair<std::string, std::string>> checks_;
};

}  // namespace Atoll::idlc
