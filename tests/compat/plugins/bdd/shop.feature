Feature: A basket

  Scenario: Adding
    Given an empty basket
    When I add 2 pears
    Then there are 2 pears

  Scenario: It fails
    Given an empty basket
    When I add 1 pears
    Then there are 2 pears

  Scenario Outline: Many
    Given an empty basket
    When I add <n> pears
    Then there are <n> pears

    Examples:
      | n |
      | 1 |
      | 2 |
      | 3 |
