/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign in software emulation says so, with who and by what evidence, in the file as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/place/place.h"
#include "harness/probe/probe.h"
#include "harness/store/emulated.h"
#include "harness/store/results.h"
#include "tests/unit/sample_campaign.h"

static json_t *probe_of(const char *root)
{
	const struct ct_probe_source source = {.root = root};
	struct ct_error err = {0};
	json_t *probe = ct_probe(&source, NULL, &err);

	assert_non_null(probe);
	return probe;
}

static json_t *emulated_machine(void)
{
	return probe_of("tests/fixtures/probe/tcg");
}

static void the_controllers_own_machine_is_named(void **state)
{
	(void)state;
	json_t *probe = emulated_machine();
	char text[CT_EMULATED_TEXT];

	assert_string_equal(ct_emulated(probe, NULL, text),
			    "this machine: CPUID 0x40000000 signature 'TCGTCGTCGTCG'");
	json_decref(probe);
}

static void hardware_virtualization_is_no_emulation(void **state)
{
	(void)state;
	json_t *kvm = probe_of("tests/fixtures/probe/kvm");
	json_t *metal = probe_of("tests/fixtures/probe/bare-metal");
	json_t *placement = json_pack("{s:{s:{s:O}, s:{s:s}}}", "vm", "victim", "probe", kvm,
				      "neighbour", "cpus", "1");
	char text[CT_EMULATED_TEXT];

	assert_string_equal(ct_emulated(metal, placement, text), "");
	assert_string_equal(ct_emulated(NULL, NULL, text), "");
	json_decref(placement);
	json_decref(metal);
	json_decref(kvm);
}

static void a_tenant_behind_ssh_is_named(void **state)
{
	(void)state;
	json_t *metal = probe_of("tests/fixtures/probe/bare-metal"), *tcg = emulated_machine();
	json_t *placement = json_pack("{s:{s:{s:O}, s:{s:s}}}", "sriov", "victim", "probe", tcg,
				      "neighbour", "cpus", "1");
	char text[CT_EMULATED_TEXT];

	assert_string_equal(ct_emulated(metal, placement, text),
			    "sriov.victim: CPUID 0x40000000 signature 'TCGTCGTCGTCG'");
	json_decref(placement);
	json_decref(tcg);
	json_decref(metal);
}

static void many_tenants_still_make_one_line(void **state)
{
	(void)state;
	json_t *tcg = emulated_machine(), *tenants = json_object();
	json_t *placement = json_pack("{s:o}", "a-config-with-quite-a-long-name", tenants);
	char text[CT_EMULATED_TEXT], name[64];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "a-tenant-with-quite-a-long-name-%d", i);
		json_object_set_new(tenants, name, json_pack("{s:O}", "probe", tcg));
	}
	ct_emulated(NULL, placement, text);
	assert_non_null(strstr(text, ", ...: CPUID 0x40000000 signature 'TCGTCGTCGTCG'"));
	json_decref(placement);
	json_decref(tcg);
}

static void the_file_keeps_it(void **state)
{
	(void)state;
	char directory[64], path[96];
	struct ct_results *results;
	struct ct_store *store;
	struct ct_error err = {0};
	json_t *header = sample_header(2, 7);

	sample_directory(directory);
	snprintf(path, sizeof path, "%s/out.h5", directory);
	json_object_set_new(header, "emulated", json_string("sriov.victim: by test"));
	assert_true(ct_store_create(&store, path, header, &err));
	assert_true(ct_store_finish(store, false, &err));
	json_decref(header);
	assert_true(ct_results_open(&results, path, &err));
	assert_string_equal(ct_results_tables(results)->emulated, "sriov.victim: by test");
	ct_results_close(results);
	sample_remove(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_controllers_own_machine_is_named),
		cmocka_unit_test(hardware_virtualization_is_no_emulation),
		cmocka_unit_test(a_tenant_behind_ssh_is_named),
		cmocka_unit_test(many_tenants_still_make_one_line),
		cmocka_unit_test(the_file_keeps_it),
	};

	return cmocka_run_group_tests_name("emulated", tests, NULL, NULL);
}
