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

Type character(unsigned width) {
    Type type = integer(width, false);
    type.character = true;
    return type;
}

Type native(bool is_signed) {
    Type type = integer(8, is_signed);
    type.native = true;
    return type;
}

Type pointer_to(const Type& pointee) {
    Type type = simple(Kind::pointer);
    type.element = std::make_shared<Type>(pointee);
    return type;
}

void add(std::map<std::string, Type>& types, const Type& type, std::initializer_list<const char*> names) {
    for (const char* name : names) types[name] = type;
}

void add_integers(std::map<std::string, Type>& types) {
    add(types, integer(1, true), {"small", "int8", "INT8", "__int8"});
    add(types, integer(2, true), {"short", "int16", "SHORT", "INT16", "__int16"});
    add(types, integer(4, true), {"long", "int", "int32", "LONG", "INT", "INT32", "LONG32", "BOOL", "HRESULT", "NTSTATUS", "__int32"});
    add(types, integer(8, true), {"hyper", "__int64", "int64", "LONGLONG", "INT64", "LONG64", "LARGE_INTEGER"});
    add(types, integer(1, false), {"byte", "uint8", "BYTE", "UCHAR", "UINT8", "BOOLEAN"});
    add(types, integer(2, false), {"uint16", "WORD", "USHORT", "UINT16"});
    add(types, integer(4, false),
        {"uint32", "DWORD", "ULONG", "UINT", "UINT32", "DWORD32", "ULONG32", "NET_API_STATUS", "error_status_t", "HCALL", "LCID",
         "ACCESS_MASK", "SECURITY_INFORMATION"});
    add(types, integer(8, false), {"uint64", "DWORD64", "ULONGLONG", "ULONG64", "UINT64", "DWORDLONG", "QWORD", "ULARGE_INTEGER"});
    add(types, native(true), {"__int3264", "LONG_PTR"});
    add(types, native(false), {"ULONG_PTR", "DWORD_PTR", "SIZE_T"});
    add(types, character(2), {"wchar_t", "WCHAR", "UNICODE"});
    add(types, character(1), {"char", "CHAR"});
}

void add_pointers(std::map<std::string, Type>& types) {
    for (const char* name : {"BOOL",  "BYTE",          "BOOLEAN",        "WCHAR",       "CHAR",
                             "DWORD", "DWORD64",       "DWORDLONG",      "UCHAR",       "INT",
                             "LONG",  "LONG64",        "ULONG",          "WORD",        "FILETIME",
                             "GUID",  "LARGE_INTEGER", "ULARGE_INTEGER", "ACCESS_MASK", "SECURITY_INFORMATION"}) {
        types[std::string("P") + name] = pointer_to(types.at(name));
        types[std::string("LP") + name] = pointer_to(types.at(name));
    }
    add(types, pointer_to(types.at("WCHAR")), {"LPWSTR", "LPCWSTR", "PWSTR", "LMSTR", "LMCSTR", "BSTR"});
    add(types, pointer_to(types.at("CHAR")), {"LPSTR", "LPCSTR", "PSTR"});
    add(types, pointer_to(types.at("void")), {"HANDLE", "PVOID", "LPVOID", "RPC_BINDING_HANDLE"});
}

std::map<std::string, Type> make() {
    std::map<std::string, Type> types;
    add_integers(types);
    add(types, simple(Kind::nothing), {"void", "VOID"});
    add(types, simple(Kind::binding), {"handle_t"});
    add(types, simple(Kind::boolean), {"boolean"});
    add(types, simple(Kind::guid), {"GUID", "UUID"});
    add(types, simple(Kind::sid), {"sid"});
    add(types, simple(Kind::nttime), {"nttime"});
    add(types, simple(Kind::filetime), {"FILETIME"});
    add_pointers(types);
    return types;
}

}  // namespace

const std::map<std::string, Type>& builtin_types() {
    static const std::map<std::string, Type> types = make();
    return types;
}

}  // namespace Atoll::idlc
