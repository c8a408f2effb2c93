/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer: whatever stands in the values, texts and documents of a result file, each of the
 * program's readers answers or refuses in one line: show, analyze, report, compare, qualify,
 * predict, merge, and the signatures that listen takes from a matrix. Their JSON is JSON, what they
 * print holds no control characters (a terminal would obey them), and no text of the file becomes
 * markup of the report.
 *
 * Input: changes of a good file (changed_result.h); the last byte chooses the reader. Corpus:
 * tests/fuzz/corpus/answers/.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>
#include <hwloc.h>
#include <jansson.h>

#include "harness/cli/resources.h"
#include "harness/decide/lockin.h"
#include "harness/decide/tree.h"
#include "harness/listen/signature.h"
#include "harness/report/analysis_report.h"
#include "harness/report/compare_report.h"
#include "harness/report/lockin_report.h"
#include "harness/report/page.h"
#include "harness/report/predict_report.h"
#include "harness/report/qualify_report.h"
#include "harness/report/summary.h"
#include "harness/store/merge.h"
#include "harness/store/store.h"
#include "tests/fuzz/changed_result.h"
#include "tests/unit/sample_campaign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
	return change_mutate(data, size, room, seed);
}

/* ---- the good file ---- */

/* One of everything that a reader looks for: a mix, a mix by lock-in, an idle neighbour, another
 * host, GPUs, network functions, a rule to stop by. */
static const char header_text[] =
	"{'schema': 'cotenant.results/1', 'suite': 'answers', 'title': 'All', 'version': '0.1.0',"
	" 'created': '2026-01-02T03:04:05Z', 'build_id': 'abc',"
	" 'command_line': 'cotenant run answers.ini',"
	" 'job': {'path': 'answers.ini', 'text': '[suite]\\nname = answers\\n', 'overrides': ''},"
	" 'plan': {'seed': 42, 'replicates': 3, 'warmup_ns': 1000, 'measure_ns': 1000000,"
	"  'recovery_ns': 1000000, 'epoch_ns': 500000, 'until': 'p50:5%',"
	"  'configs': [{'name': 'local', 'expect': ''}],"
	"  'tenants': [{'name': 'victim', 'cpus': '0', 'via': ''},"
	"              {'name': 'neighbour', 'cpus': '1', 'via': 'ip netns exec tenant'},"
	"              {'name': 'far', 'cpus': '0', 'via': 'ssh other'}],"
	"  'victims': [{'name': 'dram', 'kind': 'mem_latency', 'tenant': 'victim', 'unit': 'ns',"
	"    'summary': 'pointer chase', 'bytes_per_operation': 64.0,"
	"    'params': {'working_set': '64M'}}],"
	"  'aggressors': ["
	"   {'name': 'stream', 'kind': 'membw', 'tenant': 'neighbour', 'unit': 'B', 'params':"
	"    {'op': 'copy'}},"
	"   {'name': 'cache', 'kind': 'llc', 'tenant': 'neighbour', 'unit': 'B', 'params': {}},"
	"   {'name': 'both', 'kind': 'mix', 'tenant': 'neighbour', 'unit': '', 'params':"
	"    {'of': ['stream', 'cache']}},"
	"   {'name': 'idle', 'kind': 'null', 'tenant': 'far', 'unit': 'op', 'params': {}},"
	"   {'name': 'beat', 'kind': 'membw', 'tenant': 'far', 'unit': 'B', 'params':"
	"    {'frequency': '10Hz', 'duty': '50%'}},"
	"   {'name': 'chopped', 'kind': 'mix', 'tenant': 'far', 'unit': '', 'params':"
	"    {'of': ['beat'], 'intensity': [100]}}],"
	"  'cells': [{'config': 'local', 'victim': 0, 'aggressor': 0, 'intensity': 100.0},"
	"            {'config': 'local', 'victim': 0, 'aggressor': 1, 'intensity': 100.0},"
	"            {'config': 'local', 'victim': 0, 'aggressor': 2, 'intensity': 100.0},"
	"            {'config': 'local', 'victim': 0, 'aggressor': 3, 'intensity': 100.0},"
	"            {'config': 'local', 'victim': 0, 'aggressor': 5, 'intensity': 100.0}]},"
	" 'provenance': {'kernel': {'release': {'value': '6.1.0', 'evidence': 'uname'}},"
	"  'hypervisor': {'value': 'none', 'evidence': ''},"
	"  'cpu': {'model_name': {'value': 'A CPU', 'evidence': '/proc/cpuinfo'}, 'count': 4},"
	"  'network': [{'name': 'eth0', 'mac': '02:00:00:00:00:01', 'driver': 'igb'}],"
	"  'process': {'host': 'here', 'cwd': '/root', 'user': 'root'},"
	"  'gpus': [{'name': 'A GPU', 'uuid': 'GPU-0'}], 'block': []},"
	" 'calibration': {'clock': {'source': 'tsc', 'resolution_ns': 1.0, 'cost_ns': 12.5},"
	"  'null': {'count': 1000, 'p50_ns': 20.0, 'p99_ns': 21.5, 'max_ns': 900.0},"
	"  'planted': {'delay_ns': 50000, 'recovered_ns': 50010.0, 'error': 0.0002, 'good': true}},"
	" 'placement': {'local': {"
	"  'victim': {'cpus': '0', 'clock_error_ns': 20.0,"
	"   'gpu': {'mig': false, 'name': 'A GPU', 'uuid': 'GPU-0', 'pci': '0000:01:00.0',"
	"    'sms': 64, 'all_sms': 132, 'priority': -1, 'green': [0, 64]},"
	"   'function': {'kind': 'vf', 'netdev': 'vf0', 'pci': '0000:41:00.2',"
	"    'pf': '0000:41:00.0', 'vf_index': 0, 'numa_node': 0, 'driver': 'igbvf'}},"
	"  'neighbour': {'cpus': '1', 'probe': {'container': {'value': 'none'}, 'cgroup': {}},"
	"   'gpu': {'mig': false, 'name': 'A GPU', 'uuid': 'GPU-0', 'pci': '0000:01:00.0',"
	"    'sms': 132, 'all_sms': 132, 'mps': true, 'mps_percent': 50},"
	"   'function': {'kind': 'vf', 'netdev': 'vf1', 'pci': '0000:41:00.3',"
	"    'pf': '0000:41:00.0', 'vf_index': 1, 'numa_node': 0, 'driver': 'igbvf',"
	"    'beside': {'victim': 'one-pf'}}},"
	"  'far': {'cpus': '0', 'clock_error_ns': 900000.0}}}}";

enum { CELLS = 5, CHOPPED = 4, BLOCKS = 3, SAMPLES = 100, EPOCHS = 40, CHOPPED_AGGRESSOR = 4 };
static const double slowdowns[CELLS] = {1.5, 1.2, 1.7, 1, 1};

/* A small machine, so that the CPUs of the placement share something. */
static json_t *topology_text(void)
{
	hwloc_topology_t topology;
	char *xml;
	int length;
	json_t *text;

	require(hwloc_topology_init(&topology) == 0 &&
		hwloc_topology_set_synthetic(topology, "pack:1 l3:1 core:2 pu:1") == 0 &&
		hwloc_topology_load(topology) == 0 &&
		hwloc_topology_export_xmlbuffer(topology, &xml, &length, 0) == 0);
	text = json_string(xml);
	hwloc_free_xmlbuffer(topology, xml);
	hwloc_topology_destroy(topology);
	return text;
}

static json_t *make_header(void)
{
	char *text = strdup(header_text);
	json_t *header;

	require(text != NULL);
	for (char *at = text; *at; at++)
		*at = *at == '\'' ? '"' : *at;
	header = json_loads(text, 0, NULL);
	free(text);
	require(header && json_object_set_new(header, "hwloc_xml", topology_text()) == 0);
	return header;
}

/*
 * A phase of lock-in at 10 Hz: epochs and rows of 10 ms, half a row off the pattern, so that every
 * edge lies in a row.
 */
static void chopped_phase(struct ct_phase_record *phase, uint64_t start_ns)
{
	enum { STEP_NS = 10000000 };

	sample_phase(phase, 0, CT_ROLE_TREATMENT, 1, SAMPLES, start_ns);
	free(phase->epochs);
	free(phase->noise);
	phase->role = CT_ROLE_MODULATED;
	phase->end_ns = start_ns + (uint64_t)EPOCHS * STEP_NS;
	phase->n_epochs = phase->n_noise = EPOCHS;
	phase->epochs = calloc(EPOCHS, sizeof *phase->epochs);
	phase->noise = calloc(EPOCHS, sizeof *phase->noise);
	require(phase->epochs && phase->noise);
	for (unsigned i = 0; i < EPOCHS; i++) {
		const unsigned at = i % 10;
		const double on = at == 0 || at == 5 ? 0.5 : at < 5;

		phase->epochs[i] = (struct ct_epoch_row){.start_ns = start_ns + i * STEP_NS,
							 .end_ns = start_ns + (i + 1) * STEP_NS,
							 .count = 200,
							 .min_ns = 90,
							 .mean_ns = 100 + 20 * on,
							 .p50_ns = 100 + 20 * on + i % 3,
							 .p99_ns = 150 + 60 * on + i % 7,
							 .max_ns = 400,
							 .steal_ns = NAN,
							 .frequency_hz = NAN,
							 .counted = 1};
		phase->noise[i] = (struct ct_noise_row){.aggressor = CHOPPED_AGGRESSOR,
							.start_ns = start_ns + i * STEP_NS,
							.end_ns = start_ns + (i + 1) * STEP_NS,
							.units = 1e6 * on,
							.asked_units = 1e6 * on,
							.busy = on,
							.on_cpu = 1,
							.runnable = 1};
	}
}

static void make_block(struct ct_block_record *record, uint32_t cell, uint32_t block)
{
	if (cell != CHOPPED) {
		sample_block(record, cell, block, slowdowns[cell], 0.01, SAMPLES);
	} else {
		*record = (struct ct_block_record){.cell = cell,
						   .block = block,
						   .seed = 1000 + block,
						   .started_unix_ns = 1700000000000000000 + block,
						   .solo_rate = 1e8,
						   .n_phases = 1};
		chopped_phase(&record->phases[0], 1000000000ull * (100 + block));
	}
	record->visit = block * CELLS + cell;
}

static void write_good(const char *path)
{
	json_t *header = make_header();
	struct ct_error err = {0};
	struct ct_store *store;

	require(ct_store_create(&store, path, header, &err));
	for (uint32_t block = 0; block < BLOCKS; block++) {
		for (uint32_t cell = 0; cell < CELLS; cell++) {
			struct ct_block_record record;

			make_block(&record, cell, block);
			require(ct_store_block(store, &record, &err));
			ct_block_record_free(&record);
		}
	}
	require(ct_store_finish(store, true, &err));
	json_decref(header);
}

/* ---- what every answer has to be ---- */

static const double confidence = 0.95;

static bool analyse(struct ct_results *results, struct ct_analysis *analysis, struct ct_error *err)
{
	if (!ct_analysis_make(analysis, results, confidence, err))
		return false;
	if (ct_tree_find(analysis, ct_cli_victim_resources, ct_cli_aggressor_resources, err))
		return true;
	ct_analysis_free(analysis);
	return false;
}

/* What is kept from input to input. */
static struct good {
	struct good_result file;
	char folder[64], path[96];
	struct ct_results *results;
	struct ct_analysis analysis;
	struct ct_spec spec;
	size_t scripts; /* elements in its report */
} good;

struct text {
	char *bytes;
	size_t size;
	FILE *out;
};

static void text_open(struct text *text)
{
	*text = (struct text){0};
	text->out = open_memstream(&text->bytes, &text->size);
	require(text->out != NULL);
}

static void text_done(struct text *text, bool whole)
{
	require(fclose(text->out) == 0);
	require(!whole || text->size > 0);
	check_printed(text->bytes, text->size);
	free(text->bytes);
}

static void json_done(json_t *json)
{
	char *text = json_dumps(json, JSON_REAL_PRECISION(12));

	require(json_is_object(json) && text);
	free(text);
	json_decref(json);
}

static const struct ct_style plain = {.width = 0};

/* ---- the readers ---- */

static bool answer_show(struct ct_results *results, struct ct_error *err)
{
	struct ct_lockin_table lockin = {0};
	struct ct_coupling coupling;
	struct ct_quality quality;
	struct text text;
	struct ct_summary summary = {.results = results,
				     .tables = ct_results_tables(results),
				     .coupling = &coupling,
				     .quality = &quality,
				     .style = plain};
	bool done;

	if (!ct_coupling_make(&coupling, results, confidence, err))
		return false;
	text_open(&text);
	summary.out = text.out;
	done = ct_quality_make(&quality, results, &coupling, err) &&
	       ct_summary_quality(&summary, err) &&
	       ct_lockin_table_make(&lockin, results, confidence, err) &&
	       ct_lockin_print(&lockin, summary.tables, text.out, &plain, err) &&
	       ct_summary_baselines(&summary, err) && ct_summary_matrix(&summary, err) &&
	       ct_summary_sensitivity(&summary, err) && ct_summary_sentence(&summary, err);
	text_done(&text, done);
	ct_lockin_table_free(&lockin);
	ct_coupling_free(&coupling);
	return done;
}

static bool answer_analyze(struct ct_results *results, struct ct_error *err)
{
	struct ct_slo slo;
	struct ct_analysis analysis;
	struct text text;
	bool done;

	require(ct_slo_parse("dram:p99<=150ns", &slo, err));
	if (!analyse(results, &analysis, err))
		return false;
	json_done(ct_analysis_json(&analysis, &slo));
	text_open(&text);
	done = ct_analysis_print(&analysis, &slo, text.out, &plain, err);
	text_done(&text, done);
	ct_analysis_free(&analysis);
	return done;
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, word)); at++)
		n++;
	return n;
}

/* The report of the good file and another, which stands first. */
static bool write_page(const struct ct_page_source *other, bool identify, char **html,
		       struct ct_error *err)
{
	const struct ct_page_source sources[] = {
		*other, {.results = good.results, .analysis = good.analysis, .label = "good"}};
	const struct ct_page page = {.sources = sources,
				     .n_sources = 2,
				     .title = other->analysis.tables->suite,
				     .author = other->analysis.tables->title,
				     .notes = "",
				     .margin = 0.03,
				     .identify = identify};
	size_t size;
	FILE *out = open_memstream(html, &size);
	bool done;

	require(out != NULL);
	done = ct_page_write(&page, out, err);
	require(fclose(out) == 0);
	return done;
}

static bool answer_report(struct ct_results *results, struct ct_error *err)
{
	struct ct_page_source source = {.results = results, .label = "other"};
	char *html = NULL;
	bool done;

	if (!analyse(results, &source.analysis, err))
		return false;
	done = write_page(&source, ct_results_tables(results)->seed & 1, &html, err);
	/* Texts of the file are data, wherever they stand. */
	require(!done || (count(html, "<script") == good.scripts && !strstr(html, "<img src=x")));
	free(html);
	ct_analysis_free(&source.analysis);
	return done;
}

static bool compare(const struct ct_analysis *base, const struct ct_analysis *next,
		    struct ct_error *err)
{
	static const struct ct_comparison_options options = {
		.margin = 0.03, .fdr = 0.05, .confidence = 0.95, .gate = CT_QUANTILES};
	struct ct_comparison comparison;
	char sentence[CT_VERDICT_TEXT];
	struct text text, junit;
	bool done;

	if (!ct_comparison_make(&comparison, base, next, &options, err))
		return false;
	json_done(ct_comparison_json(&comparison));
	require(ct_comparison_sentence(&comparison, sentence)[0]);
	text_open(&text);
	text_open(&junit);
	done = ct_comparison_print(&comparison, text.out, &plain, err) &&
	       ct_comparison_junit(&comparison, junit.out, err);
	text_done(&text, done);
	text_done(&junit, done);
	ct_comparison_free(&comparison);
	return done;
}

static bool answer_compare(struct ct_results *results, struct ct_error *err)
{
	struct ct_error reverse = {0};
	struct ct_analysis analysis;
	bool done;

	if (!analyse(results, &analysis, err))
		return false;
	done = compare(&good.analysis, &analysis, err);
	if (!compare(&analysis, &good.analysis, &reverse))
		check_message(&reverse);
	ct_analysis_free(&analysis);
	return done;
}

static bool answer_qualify(struct ct_results *results, struct ct_error *err)
{
	struct ct_qualification qualification;
	struct text text, junit;
	bool done;

	if (!ct_qualification_make(&qualification, results, &good.spec, err))
		return false;
	json_done(ct_qualification_json(&qualification));
	text_open(&text);
	text_open(&junit);
	done = ct_qualification_print(&qualification, text.out, &plain, err) &&
	       ct_qualification_junit(&qualification, junit.out, err);
	text_done(&text, done);
	text_done(&junit, done);
	ct_qualification_free(&qualification);
	return done;
}

static bool answer_predict(struct ct_results *results, struct ct_error *err)
{
	static const struct ct_predict_options options = {
		.confidence = 0.95,
		.pairs = true,
		.victim_resources = ct_cli_victim_resources,
		.aggressor_resources = ct_cli_aggressor_resources};
	struct ct_predictions predictions;
	struct text text;
	bool done = ct_predictions_make(&predictions, results, &options, err);

	if (done) {
		json_done(ct_predictions_json(&predictions));
		text_open(&text);
		done = ct_predictions_print(&predictions, text.out, &plain, err);
		text_done(&text, done);
	}
	ct_predictions_free(&predictions);
	return done;
}

static bool answer_listen(struct ct_results *results, struct ct_error *err)
{
	static const char *const names[] = {"dram", "timer"};
	static const char *const kinds[] = {"mem_latency", "cpu_timer"};
	enum { CHANNELS = 2 * CT_LISTEN_CHANNELS + CT_HOST_CHANNELS };
	struct ct_signatures signatures;
	double shift[CHANNELS], error[CHANNELS];
	struct ct_likeness likeness;

	if (!ct_signatures_load(&signatures, results, names, kinds, 2, err))
		return false;
	require(signatures.channels == CHANNELS);
	for (size_t i = 0; i < CHANNELS; i++) {
		shift[i] = i < CT_LISTEN_CHANNELS ? 0.4 : NAN;
		error[i] = 0.02;
	}
	likeness = ct_signature_match(&signatures, shift, error);
	require(!likeness.nearest || (likeness.odds >= 0 && likeness.odds <= 1));
	ct_signatures_free(&signatures);
	return true;
}

/* Alone: what is written is read again, and is valid. */
static bool answer_merge(struct ct_results *results, struct ct_error *err)
{
	const char *const parts[] = {ct_results_tables(results)->path};
	struct ct_results *merged;
	char path[128], journal[160];
	bool done;

	snprintf(path, sizeof path, "%s/merged.h5", good.folder);
	snprintf(journal, sizeof journal, "%s.journal", path);
	done = ct_merge(parts, 1, path, err);
	if (done) {
		if (!ct_results_open(&merged, path, err))
			fail(__FILE__, err->text, __LINE__);
		ct_results_close(merged);
	}
	unlink(path);
	unlink(journal);
	return done;
}

/* ---- */

static const char spec_text[] =
	"[spec]\nname = all\n[require a]\nmetric = slowdown_p50\nlimit = 1.1\n"
	"[require b]\nmetric = p50\nlimit = 150ns\naggressor = none\n[require c]\n"
	"metric = guarantee_p50\nlimit = 1us\n[require d]\nmetric = cotenant_share\nlimit = 5%\n"
	"[require e]\nmetric = grade\nlimit = B\n[require f]\nmetric = jitter\nlimit = 50%\n"
	"aggressor = none\n[require g]\nmetric = recovery_p50\nlimit = 1.05\nvictim = dram\n";

static bool (*const readers[])(struct ct_results *, struct ct_error *) = {
	answer_show,    answer_analyze, answer_report, answer_compare,
	answer_qualify, answer_predict, answer_listen, answer_merge};
enum { READERS = sizeof readers / sizeof readers[0] };

/* Of which every reader makes an answer: else nothing behind a refusal would be tried. */
static void make_good(void)
{
	struct ct_error err = {0};
	struct ct_page_source again;
	char *html = NULL;

	sample_directory(good.folder);
	snprintf(good.path, sizeof good.path, "%s/good.h5", good.folder);
	write_good(good.path);
	good_result_keep(&good.file, good.path);
	require(ct_results_open(&good.results, good.path, &err) &&
		analyse(good.results, &good.analysis, &err) &&
		ct_spec_parse(&good.spec, "spec.ini", spec_text, &err));
	again = (struct ct_page_source){.results = good.results, .label = "again"};
	require(analyse(good.results, &again.analysis, &err) &&
		write_page(&again, true, &html, &err));
	good.scripts = count(html, "<script");
	free(html);
	ct_analysis_free(&again.analysis);
	for (size_t i = 0; i < READERS; i++)
		require(readers[i](good.results, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ct_results *results;
	struct ct_error err = {0};
	char path[64];

	if (!good.results)
		make_good();
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
	changed_result(&good.file, data, size, path);
	if (ct_results_open(&results, path, &err)) {
		if (!readers[size ? data[size - 1] % READERS : 0](results, &err))
			check_message(&err);
		ct_results_close(results);
	} else {
		check_message(&err);
	}
	unlink(path);
	return 0;
}
