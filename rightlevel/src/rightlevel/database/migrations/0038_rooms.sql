-- Search across children, schools and people by any part of a word.

-- Building an index over every child takes longer than a step is usually given.
set local statement_timeout = '10min';

-- A text folded for finding: case, Latin accents and the script of digits don't matter. What programme.students.name_key is for children's names.
create function search_text(words text) returns text language sql immutable strict parallel safe as $$
    select lower(translate(normalize(regexp_replace(normalize(words, NFKD), '[\u0300-\u036f\u200b-\u200d\u2060]', '', 'g'), NFKC),
        '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९০১২৩৪৫৬৭৮৯੦੧੨੩੪੫੬੭੮੯૦૧૨૩૪૫૬૭૮૯௦௧௨௩௪௫௬௭௮௯౦౧౨౩౪' ||
        '౫౬౭౮౯೦೧೨೩೪೫೬೭೮೯൦൧൨൩൪൫൬൭൮൯๐๑๒๓๔๕๖๗๘๙໐໑໒໓໔໕໖໗໘໙༠༡༢༣༤༥༦༧༨༩၀၁၂၃၄၅၆၇၈၉០១២៣៤៥៦៧៨៩',
        repeat('0123456789', 15)))
$$;

-- Every three letters in a row of each word of a text, and the last two, so that a part of a word is found through an index. What it costs keeps
-- the planner from working it out for every row.
create function search_grams(words text) returns tsvector language plpgsql immutable strict parallel safe cost 10000 as $$
declare
    grams text[] := '{}';
    word text;
begin
    foreach word in array string_to_array(words, ' ') loop
        for i in 1 .. length(word) - 1 loop
            grams := grams || substr(word, i, 3);
        end loop;
    end loop;
    return array_to_tsvector(grams);
end $$;

-- A child is found by any part of its name or code.
create index student_by_grams on student using gin (search_grams(name_key || ' ' || lower(code))) with (gin_pending_list_limit = 512)
    where deleted_at is null;

-- Children whose name or code holds these parts of words, through student_by_grams alone: what a planner guesses of a part of a word is often
-- wrong, and reading every child is never right.
create function students_by_grams(grams tsquery, folded text[], plain text[], bound integer) returns setof uuid language sql stable parallel safe
set enable_seqscan = off set enable_indexscan = off set max_parallel_workers_per_gather = 0 as $$
    select st.id
    from student st
    where st.deleted_at is null and search_grams(st.name_key || ' ' || lower(st.code)) @@ grams
        and (st.name_key || ' ' || lower(st.code) like all (folded) or st.name_key || ' ' || lower(st.code) like all (plain))
    limit bound
$$;

create index school_by_grams on school using gin (search_grams(search_text(name_local || ' ' || name_latin || ' ' || code)))
    where deleted_at is null;
create index person_by_grams on person using gin (search_grams(search_text(display_name || ' ' || username))) where deleted_at is null;
