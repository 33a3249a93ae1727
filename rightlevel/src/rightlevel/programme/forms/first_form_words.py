"""The lists of the first form, in English and Khmer.

*Source*: product.md section 6 (6 materials of language and 10 of math, 17 and 24 activities), named as TaRL practice in Cambodia does.
"""

from __future__ import annotations

from typing import Final

Words = tuple[tuple[str, str, str], ...]
"""Code, English, Khmer."""

LANGUAGE_MATERIALS: Final[Words] = (
    ("syllable_chart", "Syllable chart", "តារាងព្យាង្គ"),
    ("picture_cards", "Picture cards", "បណ្ណរូបភាព"),
    ("word_cards", "Word and syllable cards", "បណ្ណពាក្យ និងព្យាង្គ"),
    ("story_cards", "Story and text cards", "បណ្ណរឿង និងអត្ថបទ"),
    ("sentence_booklet", "Booklet for ordering sentences and correcting mistakes", "កូនសៀវភៅរៀបល្បះ និងកែកំហុស"),
    ("language_manual", "Teacher’s language manual", "សៀវភៅណែនាំគ្រូភាសា"),
)
MATH_MATERIALS: Final[Words] = (
    ("number_chart", "Number chart 0–99", "តារាងលេខ ០–៩៩"),
    ("place_value_chart", "Place-value chart", "តារាងខ្ទង់លេខ"),
    ("place_value_cards", "Place-value cards", "បណ្ណខ្ទង់លេខ"),
    ("oral_addition", "Sheet of oral addition", "តារាងបូកផ្ទាល់មាត់"),
    ("oral_subtraction", "Sheet of oral subtraction", "តារាងដកផ្ទាល់មាត់"),
    ("oral_multiplication", "Sheet of oral multiplication", "តារាងគុណផ្ទាល់មាត់"),
    ("play_money", "Play money", "ក្រដាសប្រាក់សម្រាប់លេង"),
    ("counting_sticks", "Counting sticks or straws", "ចង្កឹះ ឬបំពង់សម្រាប់រាប់"),
    ("word_problem_booklet", "Booklet of word problems", "កូនសៀវភៅចំណោទ"),
    ("math_manual", "Teacher’s mathematics manual", "សៀវភៅណែនាំគ្រូគណិតវិទ្យា"),
)
LANGUAGE_ACTIVITIES: Final[Words] = (
    ("free_talk", "Free conversation", "ការសន្ទនាសេរី"),
    ("describe_picture", "Describing a picture", "ពិពណ៌នារូបភាព"),
    ("read_paragraph", "Reading a paragraph", "អានកថាខណ្ឌ"),
    ("mind_map", "Mind map", "ផែនទីគំនិត"),
    ("copy_dictation", "Copying and dictation", "ចម្លង និងសរសេរតាមអាន"),
    ("basket_game", "Basket-throw game", "ល្បែងបោះចូលកន្ត្រក"),
    ("card_flip", "Card-flip word game", "ល្បែងត្រឡប់បណ្ណពាក្យ"),
    ("letter_jump", "Letter-jump game", "ល្បែងលោតលើអក្សរ"),
    ("read_syllables", "Reading the syllable chart", "អានតារាងព្យាង្គ"),
    ("count_syllables", "Counting syllables in a word", "រាប់ព្យាង្គក្នុងពាក្យ"),
    ("build_words", "Building words and sentences", "បង្កើតពាក្យ និងល្បះ"),
    ("rhymes", "Word pairs and rhymes", "ពាក្យជួន និងពាក្យគូ"),
    ("dice_game", "Dice game with words", "ល្បែងគ្រាប់ឡុកឡាក់ពាក្យ"),
    ("final_sound", "Words by their final sound", "រកពាក្យតាមសូរចុង"),
    ("correct_mistakes", "Correcting mistakes", "កែកំហុស"),
    ("continue_story", "Continuing a story", "បន្តរឿង"),
    ("lesson_8_steps", "Activity on a lesson in 8 steps", "សកម្មភាពតាមមេរៀន ៨ ជំហាន"),
)
MATH_ACTIVITIES: Final[Words] = (
    ("bundles", "Numbers with bundles and sticks", "លេខជាមួយបាច់ និងចង្កឹះ"),
    ("read_numbers", "Reading numbers", "អានលេខ"),
    ("number_wheel", "Number wheel", "កង់លេខ"),
    ("number_jump", "Number jump", "លោតលើលេខ"),
    ("clap_snap", "Clap and snap", "ទះដៃ និងផ្ទាត់ម្រាមដៃ"),
    ("place_value", "Place value", "តម្លៃខ្ទង់"),
    ("place_value_with_cards", "Place value with cards", "តម្លៃខ្ទង់ជាមួយបណ្ណ"),
    ("number_notebook", "Number notebook", "សៀវភៅកត់លេខ"),
    ("numbers_money", "Numbers with play money", "លេខជាមួយក្រដាសប្រាក់"),
    ("word_problem", "Word problems", "ចំណោទ"),
    ("multiples_of_nine", "Multiples of nine", "ពហុគុណនៃ ៩"),
    ("add_bundles", "Addition with bundles", "បូកជាមួយបាច់"),
    ("subtract_bundles", "Subtraction with bundles", "ដកជាមួយបាច់"),
    ("oral_add_subtract", "Oral addition and subtraction", "បូក និងដកផ្ទាល់មាត់"),
    ("add_money", "Addition with money", "បូកជាមួយក្រដាសប្រាក់"),
    ("subtract_money", "Subtraction with money", "ដកជាមួយក្រដាសប្រាក់"),
    ("multiply_sticks", "Multiplication with sticks", "គុណជាមួយចង្កឹះ"),
    ("multiply_split", "Multiplication by splitting", "គុណដោយបំបែកលេខ"),
    ("recite_tables", "Reciting tables", "សូត្រតារាងមេគុណ"),
    ("box_multiply", "Box multiplication", "គុណតាមប្រអប់"),
    ("multiply_place_value", "Multiplication by place value", "គុណតាមតម្លៃខ្ទង់"),
    ("divide_sticks", "Division with sticks", "ចែកជាមួយចង្កឹះ"),
    ("divide_money", "Division with money", "ចែកជាមួយក្រដាសប្រាក់"),
    ("divide_tables", "Division by tables", "ចែកតាមតារាងមេគុណ"),
)
WHO: Final[Words] = (
    ("all", "All children", "សិស្សទាំងអស់"),
    ("most", "Most", "ភាគច្រើន"),
    ("some", "Some", "ខ្លះ"),
    ("few", "A few", "តិចតួច"),
    ("none", "None", "គ្មាន"),
)
GRADES: Final[Words] = (
    ("3", "Grade 3", "ថ្នាក់ទី៣"),
    ("4", "Grade 4", "ថ្នាក់ទី៤"),
    ("5", "Grade 5", "ថ្នាក់ទី៥"),
)
SUBJECTS: Final[Words] = (("language", "Reading", "អំណាន"), ("math", "Mathematics", "គណិតវិទ្យា"))
LANGUAGE_LEVELS: Final[Words] = (
    ("letter", "Letters", "តួអក្សរ"),
    ("word", "Words", "ពាក្យ"),
    ("paragraph", "Paragraph", "កថាខណ្ឌ"),
    ("story", "Story", "រឿង"),
    ("comprehension1", "Comprehension 1", "យល់ន័យ១"),
    ("comprehension2", "Comprehension 2", "យល់ន័យ២"),
)
MATH_LEVELS: Final[Words] = (
    ("number_1digit", "1-digit numbers", "លេខ១ខ្ទង"),
    ("number_2digit", "2-digit numbers", "លេខ២ខ្ទង"),
    ("subtraction", "Subtraction", "ប្រមាណវិធីដក"),
    ("division", "Division", "ប្រមាណវិធីចែក"),
    ("word_problems", "Word problems", "ចំណោទ"),
)
BEGINNER: Final[Words] = (("beginner", "Beginner", "ដំបូង"),)
NO_MATERIAL: Final[Words] = (("none", "None of these", "គ្មានទាំងអស់"),)
