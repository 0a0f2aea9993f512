#include <gtest/gtest.h>

#include "libcli/interfaces/interfaces.h"

namespace Atoll::interfaces {
namespace {

bool same(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

class Interfaces : public ::testing::TestWithParam<const idl::InterfaceType*> {
 protected:
    const idl::InterfaceType& type = *GetParam();
};

TEST_P(Interfaces, AscendingOpnums) {
    ASSERT_FALSE(type.functions.empty());
    for (size_t i = 0; i < type.functions.size(); i++) {
        EXPECT_EQ(type.find(type.functions[i].opnum), &type.functions[i]);
        if (i > 0) {
            EXPECT_GT(type.functions[i].opnum, type.functions[i - 1].opnum);
        }
    }
    EXPECT_EQ(type.find(UINT16_MAX), nullptr);
}

// What decodes encodes to the same bytes, in both syntaxes.
TEST_P(Interfaces, ArbitraryCallsRoundTrip) {
    for (size_t function = 0; function < type.functions.size(); function++) {
        for (const auto syntax : {idl::Syntax::ndr, idl::Syntax::ndr64}) {
            for (uint64_t seed = 0; seed < 30; seed++) {
                idl::Arbitrary random(seed);
                Buffer request, response, again, answer;
                type.functions[function].make(random, syntax, request, response);
                const auto r = type.functions[function].again_request(request, {syntax, false}, syntax, again);
                ASSERT_TRUE(r.ok()) << type.functions[function].name << " " << seed << ": " << r.error().message();
                ASSERT_TRUE(same(request, again)) << type.functions[function].name << " " << seed;
                const auto a = type.functions[function].again_response(request, response, {syntax, false}, syntax, answer);
                ASSERT_TRUE(a.ok()) << type.functions[function].name << " " << seed << ": " << a.error().message();
                ASSERT_TRUE(same(response, answer)) << type.functions[function].name << " " << seed;
            }
        }
    }
}

// Neither reads beyond its input nor takes a part for the whole.
TEST_P(Interfaces, EveryTruncationIsRefused) {
    for (const idl::FunctionType& function : type.functions) {
        for (const auto syntax : {idl::Syntax::ndr, idl::Syntax::ndr64}) {
            idl::Arbitrary random(7);
            Buffer request, response;
            function.make(random, syntax, request, response);
            for (size_t n = 0; n < request.size(); n++)
                ASSERT_FALSE(function.print_request(request.bytes().first(n), {syntax, false}, idl::Printer::Form::text)) << function.name;
            for (size_t n = 0; n < response.size(); n++)
                ASSERT_FALSE(function.print_response(request, response.bytes().first(n), {syntax, false}, idl::Printer::Form::text))
                    << function.name;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, Interfaces, ::testing::ValuesIn(all_interfaces()),
                         [](const auto& param) { return std::string(param.param->name); });

TEST(Srvsvc, IsWhatMsSrvsSays) {
    const idl::InterfaceType& type = srvsvc::srvsvc_interface();
    EXPECT_EQ(to_string(type.uuid), "4b324fc8-1670-01d3-1278-5a47bf6ee188");
    EXPECT_EQ(type.version_major, 3);
    EXPECT_EQ(type.version_minor, 0);
    EXPECT_EQ(type.endpoints.front(), "ncacn_np:[\\pipe\\srvsvc]");
    EXPECT_EQ(type.find(29), nullptr);  // Opnum29NotUsedOnWire
    // MS-SRVS 3.1.4.
    EXPECT_EQ(srvsvc::NetrConnectionEnum::opnum, 8);
    EXPECT_EQ(srvsvc::NetrRemoteTOD::opnum, 28);
    EXPECT_EQ(srvsvc::NetprNameValidate::opnum, 33);
    EXPECT_EQ(srvsvc::NetrShareDelEx::opnum, 57);
    EXPECT_EQ(wkssvc::NetrWkstaUserEnum::opnum, 2);
    EXPECT_EQ(wkssvc::NetrEnumerateComputerNames::opnum, 30);
}

// A client may ask for a level that there is none of: the service answers ERROR_INVALID_LEVEL, with a union that has no arm.
TEST(Srvsvc, LevelWithoutAnArm) {
    srvsvc::NetrServerGetInfo::In in;
    in.Level = 4711;
    srvsvc::NetrServerGetInfo::Out out, again;
    out.result = 124;
    Buffer stub;
    encode(out, in, stub);
    ASSERT_TRUE(decode(stub, again, in).ok());
    EXPECT_EQ(again, out);
    EXPECT_EQ(stub.size(), 8u);
}

// A union whose arm was not made: the null pointer of the level that was asked for.
TEST(Srvsvc, ArmThatWasNotMade) {
    srvsvc::NetrServerGetInfo::In in;
    in.Level = 102;
    srvsvc::NetrServerGetInfo::Out out, again;
    out.result = 5;
    Buffer stub;
    encode(out, in, stub);
    ASSERT_TRUE(decode(stub, again, in).ok());
    EXPECT_FALSE(again.InfoStruct.ServerInfo102().has_value());
    EXPECT_EQ(stub.size(), 12u);
}

// [out, size_is(OutbufLen)]: what the service leaves out is zeros; more than the client allowed is never read.
TEST(Srvsvc, BufferOfTheClientsSize) {
    srvsvc::NetprPathCanonicalize::In in;
    in.OutbufLen = 10;
    srvsvc::NetprPathCanonicalize::Out out, again;
    out.Outbuf = {1, 2, 3};
    Buffer stub;
    encode(out, in, stub);
    ASSERT_TRUE(decode(stub, again, in).ok());
    EXPECT_EQ(again.Outbuf, (std::vector<uint8_t>{1, 2, 3, 0, 0, 0, 0, 0, 0, 0}));
    in.OutbufLen = 9;
    EXPECT_EQ(decode(stub, again, in).error().code, Code::corrupt);
    in.OutbufLen = 64001;  // range(0, 64000)
    Buffer request;
    encode(in, request);
    EXPECT_EQ(decode(request, in).error().code, Code::corrupt);
}

// MS-RPCE 2.2.2.13: a verification trailer may follow a stub, and clients leave padding there.
TEST(Srvsvc, BytesBehindAStub) {
    srvsvc::NetrRemoteTOD::In in, again;
    Buffer stub;
    encode(in, stub);
    const std::array<uint8_t, 12> trailer = {0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71, 0x01, 0x40, 0x04, 0x00};
    stub.append(trailer);
    EXPECT_TRUE(decode(stub, again).ok());
    stub.append_zeros(100);
    EXPECT_TRUE(decode(stub, again).ok());
}

TEST(Srvsvc, BigEndianRequest) {
    // ServerName null, Level 101, as a client on a big-endian machine sends it.
    const std::array<uint8_t, 8> stub = {0, 0, 0, 0, 0, 0, 0, 101};
    srvsvc::NetrServerGetInfo::In in;
    ASSERT_TRUE(decode(stub, in, {idl::Syntax::ndr, true}).ok());
    EXPECT_EQ(in.Level, 101u);
    EXPECT_FALSE(in.ServerName.has_value());
}

// Many containers that each promise as many elements as the input has bytes: the promises are added up.
TEST(Srvsvc, CountsCannotPromiseTheSameBytesTwice) {
    srvsvc::NetrShareEnum::Out out, again;
    srvsvc::NetrShareEnum::In in;
    in.InfoStruct.Level = out.InfoStruct.Level = 502;
    auto& infos = out.InfoStruct.ShareInfo.make_Level502().emplace().Buffer.emplace();
    infos.resize(1000);
    for (auto& info : infos) info.shi502_security_descriptor.emplace();
    Buffer stub;
    encode(out, in, stub);
    const std::vector<uint8_t> clean(stub.data(), stub.data() + stub.size());
    ASSERT_TRUE(decode(clean, again, in).ok());
    // shi502_reserved, the count of a descriptor's bytes, is the ninth of an entry's ten words.
    const size_t entries = 6 * 4;
    for (size_t i = 0; i < infos.size(); i++) store_le<uint32_t>(stub.data() + entries + i * 40 + 32, 4000);
    const auto r = decode(stub, again, in);
    ASSERT_FALSE(r.ok());
    EXPECT_NE(r.error().message().find("together"), std::string::npos) << r.error().message();
}

TEST(Wkssvc, ArraysOfArrays) {
    // size_is(, *OUCount): a pointer to an array of strings.
    wkssvc::NetrGetJoinableOUs2::In in;
    wkssvc::NetrGetJoinableOUs2::Out out, again;
    in.OUCount = 0;
    out.OUCount = 2;
    out.OUs.emplace() = {std::string("OU=a"), std::nullopt};
    for (const auto syntax : {idl::Syntax::ndr, idl::Syntax::ndr64}) {
        Buffer stub;
        encode(out, in, stub, syntax);
        ASSERT_TRUE(decode(stub, again, in, {syntax, false}).ok());
        EXPECT_EQ(again, out);
    }
}

}  // namespace
}  // namespace Atoll::interfaces
