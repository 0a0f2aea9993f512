#include "idl/compiler/builtin_types.h"

namespace Atoll::idlc {

namespace {

Type integer(unsigned width, bool is_signed) {
    Type type;
    type.width = width;
    type.is_signed = is_signed;
    return type;
}

Type simple(Kind kind) {
    Type type;
    type.kind = kind;
    return type;
}

Type wide_char() {
    Type type = integer(2, false);
    type.wide_char = true;
    return type;
}

std::map<std::string, Type> make() {
    std::map<std::string, Type> types;
    const auto add = [&](const Type& type, std::initializer_list<const char*> names) {
        for (const char* name : names) types[name] = type;
    };
    add(integer(1, true), {"small", "int8", "INT8", "CHAR"});
    add(integer(2, true), {"short", "int16", "SHORT", "INT16"});
    add(integer(4, true), {"long", "int", "int32", "LONG", "INT", "INT32", "LONG32", "BOOL"});
    add(integer(8, true), {"hyper", "__int64", "int64", "LONGLONG", "INT64", "LONG64", "LARGE_INTEGER"});
    add(integer(1, false), {"char", "byte", "uint8", "BYTE", "UCHAR", "UINT8"});
    add(integer(2, false), {"uint16", "WORD", "USHORT", "UINT16"});
    add(integer(4, false),
        {"uint32", "DWORD", "ULONG", "UINT", "UINT32", "DWORD32", "ULONG32", "NET_API_STATUS", "NTSTATUS", "HRESULT", "error_status_t"});
    add(integer(8, false), {"uint64", "DWORD64", "ULONGLONG", "ULONG64", "UINT64", "DWORDLONG", "ULARGE_INTEGER"});
    add(wide_char(), {"wchar_t", "WCHAR"});
    add(simple(Kind::boolean), {"boolean", "BOOLEAN"});
    add(simple(Kind::guid), {"GUID", "UUID"});
    add(simple(Kind::sid), {"sid"});
    add(simple(Kind::nttime), {"nttime"});
    add(simple(Kind::filetime), {"FILETIME"});
    add(simple(Kind::string_pointer), {"LPWSTR", "LPCWSTR", "PWSTR"});
    return types;
}

}  // namespace

const std::map<std::string, Type>& builtin_types() {
    static const std::map<std::string, Type> types = make();
    return types;
}

}  // namespace Atoll::idlc
