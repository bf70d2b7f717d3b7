"""Thirty-five complaints of users of other programs of this kind, and which tests prove us immune.

Gathered from the trackers of gateways and SDKs. For each one there is what we
promise, in a sentence, and the tests that hold it, by their files under
tests/actors; tests/actors/test_complaints.py checks that they are there.
"""

import attrs

__all__ = ["ROWS", "Row"]


@attrs.frozen
class Row:
    """A complaint, what we promise, what its tests must speak of (a pattern), and the tests."""

    complaint: str
    promise: str
    about: str
    tests: tuple[str, ...]


ROWS = {
    1: Row(
        "the timeout of a stream begins with its first chunk",
        "Connecting, the first event, silence and the whole have a deadline each.",
        r"given up|times out|total|deadline",
        (
            "transport/test_failures.py::test_a_connection_that_does_not_come_about_times_out",
            "provider/test_deadlines.py::test_a_provider_that_never_begins_is_given_up",
            "provider/test_deadlines.py::test_a_provider_that_falls_silent_is_given_up",
            "provider/test_deadlines.py::test_an_answer_without_end_is_given_up_however_lively",
            "provider/test_connection.py::test_a_provider_that_says_nothing_is_given_up_at_first_event",
        ),
    ),
    2: Row(
        "streams hang for hours, and nothing is raised that could be retried",
        "By default silence ends in an error that says so, and the next target is asked.",
        r"hangs|silent",
        (
            "provider/test_bad_streams.py::test_a_stream_that_hangs_raises_by_default_and_the_next_target_answers",
            "provider/test_faults.py::test_what_falls_silent_is_given_up",
        ),
    ),
    3: Row(
        "pings keep a socket busy on which nothing useful comes",
        "Comments and pings are no progress: only the total is patient with them.",
        r"pings?\b|keep alives",
        (
            "provider/test_connection.py::test_keep_alives_are_no_answer",
            "provider/test_connection.py::test_keep_alives_do_not_hide_that_nothing_comes",
            "provider/test_bad_streams.py::test_pings_alone_are_no_first_event",
            "provider/test_bad_streams.py::test_pings_do_not_keep_a_stream_alive_that_says_nothing",
        ),
    ),
    4: Row(
        "models that think pause for minutes, and good answers are killed",
        "Two minutes to the first event and five between two are the defaults; a model has its own.",
        r"waited for",
        (
            "provider/test_connection.py::test_a_provider_that_pauses_for_less_than_idle_is_waited_for",
            "provider/test_attempt.py::test_a_model_may_be_waited_for_longer_or_shorter_than_its_provider",
        ),
    ),
    5: Row(
        "a provider that drips a token a second never times out",
        # No pace is measured: before the commit point there is none but that of signs of life, and
        # what is held back has its share to be whole, which bounds a drip as any pace would.
        "Until its commit point a target has its share of the chain's time, however it drips: until "
        "its first word, and where the answer is held back or plain, until its last.",
        r"drip|half of the time",
        (
            "provider/test_request_midstream.py::test_words_that_nobody_has_seen_do_not_end_the_share_of_a_target_that_drips",
            "provider/test_bad_streams.py::test_a_plain_answer_that_drips_has_its_share_of_the_time_and_no_more",
            "provider/test_bad_streams.py::test_a_stream_that_drips_without_a_word_is_left_for_the_next_target",
            "provider/test_request_chain.py::test_each_target_but_the_last_has_half_of_the_time_to_begin",
        ),
    ),
    6: Row(
        "a truncated stream is reported as a success",
        "An answer without its end is an error, wherever its bytes were cut.",
        r"cut|truncat|end without its marks|incomplete|failed|bare done|never says why",
        (
            "wire/test_openai_decode.py::test_a_cut_at_any_byte_is_a_proper_end_or_a_truncation_and_never_silent",
            "wire/test_anthropic_decode.py::test_a_cut_at_any_byte_is_a_proper_end_or_a_truncation_and_never_silent",
            "wire/test_ollama_decode.py::test_a_cut_at_any_byte_is_a_proper_end_or_a_truncation_and_never_silent",
            "wire/test_responses_decode.py::test_a_cut_at_any_byte_is_a_truncation_and_never_silent",
            "wire/test_responses_decode.py::test_an_incomplete_answer_says_why",
            "wire/test_responses_errors.py::test_a_response_that_failed_is_classified_by_its_code",
            "wire/test_openai_decode.py::test_a_lenient_codec_takes_a_bare_done_for_the_end",
            "provider/test_kinds.py::test_a_server_that_never_says_why_it_ends_is_believed_where_its_operator_says_so",
            "provider/test_connection.py::test_an_end_without_its_marks_is_no_success",
        ),
    ),
    7: Row(
        "Anthropic's overloaded_error within a stream escapes retries and fallbacks",
        "An error within a stream is the error that its status would be, and says where it was.",
        r"error event|overloaded|follows a status of 200",
        (
            "wire/test_anthropic_errors.py::test_an_error_event_is_raised_after_all_that_preceded_it",
            "provider/test_bad_streams.py::test_an_overloaded_error_in_a_stream_is_the_error_that_a_status_would_be",
            "provider/test_bad_streams.py::test_an_error_that_follows_a_status_of_200_does_not_escape_the_fallback",
        ),
    ),
    8: Row(
        "an error object within a 200 is read as an empty token",
        "Each frame is looked at for an error before anything else.",
        r"error.*(frame|200|line|event)",
        (
            "wire/test_openai_not_a_stream.py::test_an_error_frame_is_raised_after_all_that_preceded_it",
            "wire/test_openai_not_a_stream.py::test_an_error_body_under_status_200_is_that_error",
            "wire/test_ollama_decode.py::test_an_error_under_status_200_follows_what_was_said",
            "provider/test_bad_streams.py::test_an_error_that_follows_a_status_of_200_does_not_escape_the_fallback",
        ),
    ),
    9: Row(
        "a fallback does not happen once response.created has come",
        "What says only that it has begun is held back until the first content.",
        r"before the first content|status of 200|held back",
        (
            "provider/test_request_chain.py::test_before_the_first_content_the_next_target_answers_and_nobody_notices",
            "provider/test_bad_streams.py::test_an_error_that_follows_a_status_of_200_does_not_escape_the_fallback",
            "provider/test_request.py::test_what_says_only_that_it_has_begun_is_held_back_and_then_handed_on_first",
        ),
    ),
    10: Row(
        "a fallback after half an answer says that half twice",
        "Nothing is repeated in silence: an error, or a Reset before the new beginning.",
        r"partial output|takes back|nothing is repeated",
        (
            "provider/test_request_chain.py::test_after_partial_output_no_other_target_says_it_again",
            "provider/test_request.py::test_after_the_first_word_nothing_is_repeated_and_the_error_says_so",
            "provider/test_request_midstream.py::test_restart_takes_back_what_was_said_and_the_next_target_begins_anew",
        ),
    ),
    11: Row(
        "one malformed line kills a stream that is otherwise complete",
        "It is an error that names the event; `skip_malformed` says how many are passed over.",
        r"no json|no chunk|says which|garbled",
        (
            "provider/test_kinds.py::test_as_many_garbled_events_are_passed_over_as_its_operator_says",
            "wire/test_openai_not_a_stream.py::test_events_that_are_no_json_are_passed_over_as_often_as_was_allowed",
            "wire/test_openai_not_a_stream.py::test_an_event_that_is_no_chunk_is_an_error_that_says_which",
            "wire/test_anthropic_errors.py::test_an_event_that_is_none_of_anthropics_is_an_error_that_says_which",
            "wire/test_responses_decode.py::test_events_that_are_no_json_are_passed_over_as_often_as_was_allowed",
            "wire/test_ollama_decode.py::test_a_line_that_is_no_json_is_named_with_its_place",
        ),
    ),
    12: Row(
        "parallel tool calls that are all numbered 0, or not at all, become one",
        "Calls are told apart by number, id, and whether their arguments are whole.",
        r"calls|told apart",
        (
            "wire/test_openai_tools.py::test_fragments_become_the_calls_that_were_meant",
            "wire/test_openai_tools.py::test_calls_without_ids_get_ids_of_their_own",
            "wire/test_ollama_decode.py::test_calls_without_ids_get_one_each",
            "wire/test_responses_items.py::test_items_that_are_all_numbered_zero_are_told_apart_by_their_ids",
        ),
    ),
    13: Row(
        "the same number twice in one chunk loses fragments",
        "Fragments are taken one after the other, whatever chunk they come in.",
        r"fragments",
        ("wire/test_openai_tools.py::test_fragments_become_the_calls_that_were_meant",),
    ),
    14: Row(
        "arguments that are no JSON fail one turn later, as a 500",
        "What the model wrote is kept, and goes back as JSON that shows it.",
        r"poison|not to be run",
        (
            "wire/test_openai_encode.py::test_arguments_that_are_no_json_object_do_not_poison_the_history",
            "wire/test_anthropic_content.py::test_arguments_that_are_no_object_do_not_poison_the_conversation",
            "wire/test_ollama_encode.py::test_arguments_that_are_no_object_do_not_poison_the_conversation",
            "wire/test_openai_tools.py::test_calls_within_which_the_limit_fell_are_marked_as_not_to_be_run",
        ),
    ),
    15: Row(
        "cached tokens are billed twice",
        "The input is a total, the cached part within it, and each token has one rate.",
        r"cached|totals|kind of token|contradicts",
        (
            "gate/test_budget.py::test_cached_tokens_are_paid_once",
            "wire/test_openai_errors.py::test_tokens_are_totals_with_their_parts_within",
            "wire/test_anthropic_decode.py::test_counts_are_totals_and_what_a_later_event_leaves_out_stays",
            "catalog/test_rates.py::test_every_kind_of_token_has_its_rate",
            "catalog/test_rates.py::test_a_usage_that_contradicts_itself_is_cut_down_and_told",
        ),
    ),
    16: Row(
        "interrupted streams have no usage",
        "What has come is counted, stands in the ledger, and is called an estimate.",
        r"estimate|probably used|as far as it came",
        (
            "gate/test_budget.py::test_an_answer_that_is_cancelled_is_charged_as_far_as_it_came",
            "provider/test_attempt.py::test_a_stream_that_breaks_off_is_estimated_by_what_was_written",
            "provider/test_attempt.py::test_what_the_provider_has_counted_of_a_broken_answer_outranks_the_estimate",
            "provider/test_request_midstream.py::test_by_default_the_error_has_what_there_was_and_what_it_has_probably_used",
        ),
    ),
    17: Row(
        "whoever leaves is billed nothing, or the model goes on writing",
        "A cancel closes the provider's connection at once and closes the row in the ledger.",
        r"leav",
        (
            "provider/test_refused_sockets.py::test_leaving_a_stream_closes_its_connection_within_a_second_and_is_in_the_ledger",
            "provider/test_sockets.py::test_leaving_early_frees_the_connection_and_the_provider_hears_it",
            "gate/test_budget.py::test_a_client_that_leaves_is_in_the_ledger_before_anything_else_happens",
        ),
    ),
    18: Row(
        "a budget is checked first and spent later, and concurrent requests overspend it",
        "The most that a call can cost is taken in one step, before it is sent.",
        r"budget|limit",
        (
            "gate/test_budget.py::test_calls_that_come_at_once_cannot_spend_the_same_cent_twice",
            "gate/test_budget_storm.py::test_no_budget_is_exceeded_and_nothing_is_left_behind",
            "store/test_ledger_contract.py::test_a_thousand_at_once_never_exceed_a_limit",
            "test_ten_minutes.py::test_ten_minutes_with_two_providers_that_misbehave_by_turns",
        ),
    ),
    19: Row(
        "reservations leak when a request is cancelled",
        "A lease ends with its block, and a reservation that was cancelled holds nothing.",
        r"cancel|left behind|settled once|gate at zero|turns",
        (
            "gate/test_budget.py::test_who_is_cancelled_while_it_reserves_holds_nothing",
            "gate/test_budget.py::test_whatever_happens_is_settled_once",
            "gate/test_budget_storm.py::test_no_budget_is_exceeded_and_nothing_is_left_behind",
            "store/test_ledger_contract.py::test_nothing_stays_reserved_after_a_storm_of_cancels",
            "provider/test_attempt.py::test_a_storm_of_cancels_leaves_every_gate_at_zero",
        ),
    ),
    20: Row(
        "a limiter of tokens lets all concurrent requests pass",
        "The estimate is taken before the send, so in no window more is granted than fits.",
        r"window|tokens|limits",
        (
            "policy/test_bucket.py::test_in_no_window_more_is_granted_than_its_time_fills_and_one_burst",
            "gate/test_limiter.py::test_calls_within_the_burst_go_at_once_and_the_next_waits_for_its_tokens",
            "gate/test_limiter_pace.py::test_a_server_at_its_limits_refuses_nothing_and_has_nothing_left_over",
        ),
    ),
    21: Row(
        "a request that was refused still uses up the limit",
        "A call takes from all limits or from none, and what was not sent is given back.",
        r"none|takes nothing|holds nothing|gives all else back",
        (
            "policy/test_bucket.py::test_a_call_takes_from_all_buckets_or_from_none",
            "gate/test_limiter_use.py::test_a_call_that_was_never_sent_takes_nothing",
            "gate/test_limiter_use.py::test_a_refusal_holds_nothing",
            "provider/test_gate_chain.py::test_a_budget_that_does_not_cover_it_refuses_and_gives_all_else_back",
        ),
    ),
    22: Row(
        "a refusal empties the bucket, and large requests starve",
        "A refusal changes nothing, and nobody overtakes the head of the line.",
        r"refusal|overtaken|full one",
        (
            "policy/test_bucket.py::test_a_refusal_changes_nothing",
            "policy/test_bucket.py::test_a_call_that_is_larger_than_the_bucket_waits_for_a_full_one_and_leaves_a_debt",
            "gate/test_limiter.py::test_a_large_call_at_the_head_is_not_overtaken_by_small_ones",
        ),
    ),
    23: Row(
        "of two deadlines of a cooldown the first, shorter one is kept",
        "When a circuit reopens only ever moves away.",
        r"moves away|later of two|sooner",
        (
            "policy/test_breaker_open.py::test_its_deadline_only_ever_moves_away",
            "policy/test_breaker_open.py::test_opening_it_by_hand_never_makes_it_reopen_sooner",
            "provider/test_request_chain.py::test_a_target_is_waited_for_until_the_later_of_two_times_that_were_said",
        ),
    ),
    24: Row(
        "while all are cooling down, requests fail that could have waited",
        "The soonest is waited for where it reopens in time, with a share of the time that is left.",
        r"waited for|in time",
        (
            "provider/test_request_chain.py::test_where_all_targets_are_open_the_soonest_is_waited_for_and_answers",
            "provider/test_request_chain.py::test_where_none_reopens_in_time_it_gives_up_at_once_and_says_when",
            "provider/test_bad_streams.py::test_a_target_that_was_waited_for_has_its_share_of_the_time_from_then_on",
        ),
    ),
    25: Row(
        "half open admits everybody",
        "One call probes at a time, and one that is cancelled gives its place to the next.",
        r"prob|one call",
        (
            "policy/test_breaker_half_open.py::test_one_call_may_try_and_the_others_are_refused",
            "gate/test_circuit.py::test_after_its_time_one_call_probes_and_two_that_succeed_close_it",
            "gate/test_circuit_use.py::test_a_probe_that_is_cancelled_gives_its_place_to_the_next",
            "gate/test_circuit_use.py::test_in_any_storm_one_probes_at_once_and_every_place_is_given_back",
        ),
    ),
    26: Row(
        "streams bypass the breaker, and cancels trip it",
        "A stream is judged at its end, and who leaves says nothing of the provider.",
        r"stream|cancelled",
        (
            "provider/test_bad_streams.py::test_streams_that_break_after_their_first_words_open_the_circuit_at_their_end",
            "provider/test_bad_streams.py::test_streams_that_their_reader_leaves_say_nothing_of_the_provider",
            "gate/test_circuit_use.py::test_a_call_that_is_cancelled_is_neutral",
        ),
    ),
    27: Row(
        "retries of several layers multiply",
        "One loop retries, and an account bounds what it may add to an outage.",
        r"retr",
        (
            "provider/test_request_retries.py::test_one_loop_retries_and_its_tries_do_not_multiply",
            "provider/test_request_retries.py::test_an_outage_of_a_thousand_requests_is_not_made_worse_by_retries",
        ),
    ),
    28: Row(
        "a timeout is retried, and billed twice",
        "A plain call that may have been billed is sent once, and its row is called unknown.",
        r"billed",
        (
            "policy/test_backoff.py::test_a_plain_call_that_may_have_been_billed_is_not_made_again",
            "provider/test_request_retries.py::test_a_plain_call_that_may_have_been_billed_is_sent_once_and_kept_in_the_trail",
            "provider/test_attempt.py::test_what_may_have_been_billed_counts_in_full_and_is_called_unknown",
        ),
    ),
    29: Row(
        "the headers that say when a limit is whole again are misread",
        "Go's durations are read, and the limit that is exhausted decides.",
        r"durations|exhausted|wait",
        (
            "wire/test_rate_limits.py::test_durations_are_read_as_go_prints_them",
            "wire/test_rate_limits.py::test_the_pause_is_that_of_the_limit_that_is_exhausted",
            "wire/test_rate_limits.py::test_the_pause_is_the_longest_where_no_limit_is_known_to_be_exhausted",
        ),
    ),
    30: Row(
        "without a drain after [DONE] each request opens a connection",
        "The rest of a whole answer is read, for a quarter of a second at most.",
        r"done|one connection|behind its answer",
        (
            "provider/test_refused_sockets.py::test_what_follows_done_is_read_so_that_the_connection_serves_again",
            "provider/test_refused_sockets.py::test_whoever_does_not_end_its_body_after_done_is_waited_for_briefly_and_left",
            "provider/test_sockets.py::test_one_connection_serves_one_request_after_the_other",
        ),
    ),
    31: Row(
        "error responses to streams stay open and exhaust the pool",
        "A refusal is read up to 64 KiB, and its connection is given back or closed.",
        r"refusal",
        (
            "provider/test_refused_sockets.py::test_refusals_of_streams_are_read_and_give_their_connection_back",
            "provider/test_refused_sockets.py::test_a_refusal_without_end_is_closed_after_64_kib",
            "provider/test_connection.py::test_of_an_endless_refusal_only_the_beginning_is_read",
        ),
    ),
    32: Row(
        "a router on the way forgets a call that is silent for long",
        "The kernel asks a silent peer after a minute and gives it up after two.",
        r"kernel",
        (
            "provider/test_refused_sockets.py::test_the_kernel_asks_a_silent_peer_whether_it_is_there",
        ),
    ),
    33: Row(
        "memory grows with callbacks and tasks that nobody waits for",
        "Thousands of turns leave no object and no task behind.",
        r"memory|leaks nothing|leaves nothing|leave nothing",
        (
            "test_soak.py::test_memory_is_flat_over_thousands_of_turns",
            "test_storm.py::test_a_storm_of_vanishing_clients_leaves_nothing_behind",
            "provider/test_sockets.py::test_a_storm_of_cancels_leaks_nothing",
        ),
    ),
    34: Row(
        "API keys are in exceptions and logs",
        "No secret is in anything that leaves the process.",
        r"secret|key .* masked",
        (
            "test_secrets_stay_inside.py::test_no_secret_is_in_anything_that_leaves_the_process",
            "test_redaction.py::test_no_live_secret_is_left_in_any_text",
            "config/test_secret.py::test_what_holds_a_secret_does_not_print_it",
            "provider/test_connection.py::test_a_key_that_the_provider_quotes_is_masked",
        ),
    ),
    35: Row(
        "budgets and limits of several replicas drift apart",
        "They are those of one process, documents say so, and a second one is refused the file.",
        r"one process",
        (
            "store/test_database.py::test_a_file_is_used_by_one_process_at_a_time",
            "test_complaints.py::test_the_documents_say_that_budgets_and_limits_are_of_one_process",
        ),
    ),
}
